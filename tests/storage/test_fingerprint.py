import enum
import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from opendlign_core.recipe import Recipe
from storage.fingerprint import StageIdentity, canonical, digest
from tests.servers import ROOT


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Recipe):
    sizes: tuple[int, ...] = (1, 2)
    names: frozenset[str] = frozenset({"x", "y", "z"})


class Sample(Recipe):
    seed: int = 0
    scale: float = 1.5
    flag: bool = True
    colour: Colour = Colour.RED
    note: str | None = None
    inner: Inner = Inner()
    table: dict[str, Any] = Field({"b": 1, "a": [1, 2.5]})


BASE = StageIdentity.of("project", 1, Sample(), {"ingest": "0" * 20})


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"scale": 1.25},
        {"flag": False},
        {"colour": Colour.BLUE},
        {"note": ""},
        {"inner": Inner(sizes=(2, 1))},
        {"inner": Inner(names=frozenset({"x"}))},
        {"table": {"b": 1, "a": [2.5, 1]}},
        {"table": {"b": True, "a": [1, 2.5]}},
    ],
)
def test_every_field_enters(change: dict[str, Any]) -> None:
    changed = StageIdentity.of("project", 1, Sample(**change), {"ingest": "0" * 20})
    assert changed.fingerprint != BASE.fingerprint


def test_stage_version_and_upstream_enter() -> None:
    others = [
        StageIdentity.of("ingest", 1, Sample(), {"ingest": "0" * 20}),
        StageIdentity.of("project", 2, Sample(), {"ingest": "0" * 20}),
        StageIdentity.of("project", 1, Sample(), {"ingest": "1" * 20}),
        StageIdentity.of("project", 1, Sample(), {"other": "0" * 20}),
        StageIdentity.of("project", 1, Sample()),
    ]
    assert len({BASE.fingerprint, *(other.fingerprint for other in others)}) == len(others) + 1


def test_order_and_spelling_do_not_enter() -> None:
    same = Sample(table={"a": [1.0, 2.5], "b": 1.0}, inner=Inner(names=frozenset(["z", "y", "x"])))
    assert StageIdentity.of("project", 1, same, {"ingest": "0" * 20}).fingerprint == BASE.fingerprint


def test_a_recipe_that_went_through_json_keeps_its_fingerprint() -> None:
    copy = StageIdentity.model_validate_json(BASE.to_bytes())
    assert copy.fingerprint == BASE.fingerprint
    assert StageIdentity.of("project", 1, Sample(**copy.recipe), copy.upstream).fingerprint == BASE.fingerprint


def test_the_same_in_every_process() -> None:
    """Sets iterate in an order that depends on the hash seed."""
    code = "from tests.storage.test_fingerprint import BASE; print(BASE.fingerprint)"
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        assert ended.stdout.decode().strip() == BASE.fingerprint


def test_a_fingerprint_never_changes_by_itself() -> None:
    """Stores out there are full of these; a change here would make every one of them stale."""
    assert (
        digest({"a": [1, 2.5, True, None, "\u00e9"], "b": {"c": -0.0}})
        == (hashlib.sha256('{"a":[1,2.5,true,null,"\u00e9"],"b":{"c":0}}'.encode()).hexdigest()[:20])
    )


def test_numbers_have_one_spelling_and_truth_is_no_number() -> None:
    assert digest(1) == digest(1.0) == digest(np.float64(1))
    assert digest(0) == digest(0.0) == digest(-0.0)
    assert len({digest(value) for value in (1, True, "1", [1], 1.5)}) == 5
    assert digest(2**53 + 2) == digest(2**53 + 2)
    assert digest(1e300) != digest(1e301)
    assert digest(2.0**53) == digest(2**53)
    assert digest(2.0**60) != digest(2**60), "a float of this size stands for its neighbours as well"


@pytest.mark.parametrize(
    "value",
    [object(), b"bytes", Path("x"), 1j, np.int64(1), np.zeros(2), len, SecretStr("x"), math.nan, math.inf, {1: 2}],
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical({"deep": [value]})


def test_undeclared_fields_are_refused() -> None:
    class Loose(BaseModel):
        model_config = ConfigDict(extra="allow")

    with pytest.raises(TypeError, match="undeclared fields"):
        canonical(Loose.model_validate({"x": 1}))


@pytest.mark.parametrize("stage", ["", "Project", "a/b", "../x", "a b", "1"])
def test_a_stage_has_a_plain_name(stage: str) -> None:
    with pytest.raises(ValueError, match="stage"):
        StageIdentity.of(stage, 1, Sample())


class InnerLater(Inner):
    depth: int = Field(default=3, json_schema_extra={"added": True})


class SampleLater(Sample):
    inner: Inner = InnerLater()
    steps: tuple[int, ...] = Field(default=(), json_schema_extra={"added": True})
    exact: bool | int = Field(default=True, json_schema_extra={"added": True})


def test_a_field_that_came_later_enters_once_it_is_used() -> None:
    def named(recipe: Recipe) -> str:
        return StageIdentity.of("project", 1, recipe, {"ingest": "0" * 20}).fingerprint

    assert named(SampleLater()) == named(SampleLater(steps=(), inner=InnerLater(depth=3))) == BASE.fingerprint
    used = [SampleLater(steps=(1,)), SampleLater(exact=1), SampleLater(exact=False)]
    used += [SampleLater(inner=InnerLater(depth=4)), SampleLater(table={"deep": [InnerLater(depth=5)]})]
    assert len({BASE.fingerprint, *map(named, used)}) == len(used) + 1
    assert canonical({"deep": [InnerLater()]}) == {"deep": [canonical(Inner())]}


def test_a_field_that_came_later_without_a_default_is_a_mistake() -> None:
    class Later(Recipe):
        depth: int = Field(json_schema_extra={"added": True})

    with pytest.raises(TypeError, match="Undefined"):
        canonical(Later(depth=1))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_canonical_is_settled(value: Any) -> None:
    import json

    once = canonical(value)
    assert canonical(once) == once
    assert digest(json.loads(json.dumps(once))) == digest(value)


def test_an_identity_is_written_to_be_read_by_people() -> None:
    written = StageIdentity.of("project", 1, Sample(note="caf\u00e9")).to_bytes().decode()
    assert '"note": "caf\u00e9"' in written
    assert written.index('"recipe"') < written.index('"stage"') < written.index('"version"')
