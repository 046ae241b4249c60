"""The mutation bench on a shop of a few lines: what it draws, what it finds killed, and what it says survived."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.mutants.drawing import Row, draw, mutated_text
from bench.mutants.judging import first_outcome, last_outcome, table, wilson
from bench.mutants.rooms import PRODUCT, Room, Rooms
from tests.servers import ROOT

PRICE = """from functools import cache

FREE_FROM: int = 50


def price(cost: int, pieces: int) -> int:
    if pieces < 0:
        raise ValueError(f"{pieces - 1} pieces")
    return cost * pieces


def discount(cost: int) -> int:
    return cost + FREE_FROM
"""
TESTS = """from shop.price import FREE_FROM, price


def test_the_price_is_that_of_all_pieces():
    assert price(3, 4) == 12


def test_shipping_is_free_from_fifty_on():
    assert FREE_FROM == 50
"""
JUDGE = """
import json, sys
from pathlib import Path
from bench.mutants.judging import judged
from bench.mutants.rooms import Room, Rooms
from bench.mutants.running import work_through
from bench.mutants.tracing import trace_rooms

shop, scratch = Path(sys.argv[1]), Path(sys.argv[2])
rooms = Rooms(shop, {"shop": Room(("shop/*.py",), ("checks",))})
rows = json.loads((shop / "rows.json").read_text())
traces = trace_rooms(rooms, scratch, 1)
work_through(shop, judged(rooms, rows, traces, lambda: None), scratch, 1)
(shop / "rows.json").write_text(json.dumps(rows))
"""


@pytest.fixture
def shop(tmp_path: Path) -> Rooms:
    for name, text in (("shop/__init__.py", ""), ("shop/price.py", PRICE), ("checks/test_price.py", TESTS)):
        path = tmp_path / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Rooms(tmp_path / "shop", {"shop": Room(("shop/*.py",), ("checks",))})


def planted(before: str, after: str, line: int = 1) -> Row:
    fault = {"operator": "Planted", "line": line, "before": before, "after": after}
    return {"number": 0, "room": "shop", "file": "shop/price.py", **fault}


def test_a_seed_draws_the_same_mutants_and_more_of_them_go_on_from_there(shop: Rooms) -> None:
    few, many = draw(shop, 1, 3), draw(shop, 1, 100)
    assert draw(shop, 1, 3) == few == many[:3]
    assert draw(shop, 2, 100) != many
    places = {(row["line"], row["operator"].split("_")[0]) for row in many}
    assert {(7, "ReplaceComparisonOperator"), (9, "ReplaceBinaryOperator"), (3, "NumberReplacer")} <= places
    assert not {row["line"] for row in many} & {1, 8}, "neither imports nor the words of errors are changed"
    for row in many:
        compile(mutated_text(shop, row) or "", "price.py", "exec")


def test_a_fault_is_planted_where_its_line_lies_by_now(shop: Rooms) -> None:
    row = planted("    return cost * pieces", "    return cost - pieces", line=9)
    (shop.root / "shop" / "price.py").write_text("\n\n" + PRICE)
    assert mutated_text(shop, row) == "\n\n" + PRICE.replace("cost * pieces", "cost - pieces")
    assert row["line"] == 11
    assert mutated_text(shop, planted("    return None", "    return 1")) is None


def test_faults_are_found_killed_survived_and_gone(shop: Rooms, tmp_path: Path) -> None:
    rows = [
        planted("    return cost * pieces", "    return cost + pieces"),
        planted("    if pieces < 0:", "    if pieces < -1:"),
        planted("    return cost + FREE_FROM", "    return cost - FREE_FROM"),
        planted("    return None", "    return 1"),
        {**planted("    return cost * pieces", "    return pieces"), "outcome": "survived"},
        planted("FREE_FROM: int = 50", "FREE_FROM: int = 51"),
    ]
    (shop.root / "rows.json").write_text(json.dumps(rows))
    command = [sys.executable, "-c", JUDGE, str(shop.root), str(tmp_path / "scratch")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    found = json.loads((shop.root / "rows.json").read_text())
    assert [row["outcome"] for row in found] == ["killed", "survived", "survived", "gone", "killed", "killed"]
    assert found[0]["killer"] == "checks/test_price.py::test_the_price_is_that_of_all_pieces"
    assert "killer" not in found[2], "no test reaches it"
    assert found[4]["first"] == "survived"
    assert (shop.root / "shop" / "price.py").read_text() == PRICE
    shown = table(shop, found, last_outcome).splitlines()
    assert shown[-1].startswith("| all | 3 | 5 | 60.0% | 23.1% to 88.2% | 0 | 1 |")
    assert shown[-1] == shown[-2].replace("shop", "all")
    assert table(shop, found, first_outcome).splitlines()[-1].startswith("| all | 2 | 5 | 40.0%")


def test_an_interval_is_wilson_s() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_every_room_of_the_product_has_modules_and_tests() -> None:
    for name in PRODUCT.rooms:
        assert PRODUCT.modules(name)
        assert all((PRODUCT.root / test).is_file() for test in PRODUCT.tests(name))
