"""The sentences of docs/architecture.md about who may import whom, each tried in a fresh process."""

import ast
import graphlib
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.servers import ROOT

ROOMS = ("opendlign_core", "storage", "tasks", "flows", "opendlign")

# What the source of a room may not name, not even inside a function.
NEVER = {
    # What is ambient there (a context variable) would reach over the head of whoever calls the library.
    "opendlign_core": ("prefect", "s3fs", "fsspec", "contextvars", "storage", "tasks", "flows", "opendlign"),
    "storage": ("prefect", "torch", "opendlign_core", "tasks", "flows", "opendlign"),
    "tasks": ("flows", "opendlign"),
    "flows": ("opendlign",),
}

IMPORT_ALL = """
import importlib, pkgutil, sys
package, blocked = importlib.import_module(sys.argv[1]), set(sys.argv[2].split(",")) - {""}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
names = [package.__name__]
names += [found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(len(names), *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def import_all(package: str, *blocked: str) -> set[str]:
    """Import every module of a package in a fresh process; returns all top-level modules that this loaded."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL, package, ",".join(blocked)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    count, *loaded = ended.stdout.splitlines()[-1].split()
    assert int(count) == len([path for path in source_files(package) if path.name != "__main__.py"])
    return set(loaded)


def source_files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def modules(path: Path) -> Iterator[str]:
    """Everything that a file imports, wherever in the file; `from a import b` may import the module `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(path: Path) -> Iterator[str]:
    """Top-level names of everything that a file imports."""
    return (module.partition(".")[0] for module in modules(path))


@pytest.mark.timeout(300)
def test_the_core_stands_alone() -> None:
    loaded = import_all("opendlign_core", "prefect", "s3fs", "fsspec", "storage", "tasks", "flows", "opendlign")
    assert not loaded & {"storage", "tasks", "flows", "opendlign"}


def test_storage_needs_neither_torch_nor_prefect() -> None:
    loaded = import_all("storage", "torch", "prefect", "opendlign_core", "tasks", "flows", "opendlign")
    assert "pyarrow" in loaded


def test_importing_flows_leaves_torch_out() -> None:
    loaded = import_all("flows")
    assert not loaded & {"torch", "torchvision", "diffusers", "transformers", "open_clip"}


def test_importing_storage_is_light() -> None:
    code = "import sys, storage, storage.settings, storage.stores; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not set(loaded.split()) & {"s3fs", "fsspec", "pyarrow", "numpy", "botocore"}


@pytest.mark.parametrize("stub", sorted((ROOT / "opendlign_core").rglob("*.pyi")), ids=lambda stub: stub.parent.name)
def test_every_name_that_a_room_exports_is_there(stub: Path) -> None:
    room = importlib.import_module(".".join(stub.parent.relative_to(ROOT).parts))
    assert room.__all__
    for name in room.__all__:
        assert getattr(room, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        room.nothing_of_the_kind  # noqa: B018


@pytest.mark.parametrize("room", NEVER)
def test_arrows_point_one_way(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in source_files(room)
        for name in imported(path)
        if name in NEVER[room]
    ]
    assert not wrong


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def known(target: str, files: Mapping[str, Path]) -> str:
    """The module behind an imported name: itself, or the one that defines it; empty for what is not ours."""
    return next((name for name in (target, target.rpartition(".")[0]) if name in files), "")


def test_no_module_imports_itself_over_others() -> None:
    """Types count as well: what only a checker imports ties two modules together all the same."""
    files = {module_name(path): path for room in ROOMS for path in source_files(room)}
    graph = {name: {known(target, files) for target in modules(path)} - {""} for name, path in files.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


GROUND_FLOOR = {"samples", "clip", "loop", "pictures"}
ROOF = "api"
CORE_ROOMS = sorted(folder.name for folder in (ROOT / "opendlign_core").iterdir() if (folder / "__init__.py").exists())


@pytest.mark.parametrize("room", [room for room in CORE_ROOMS if room != ROOF])
def test_rooms_of_the_core_meet_only_on_the_ground_floor(room: str) -> None:
    closed = set(CORE_ROOMS) - {room} - GROUND_FLOOR
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in source_files(f"opendlign_core/{room}")
        for module in modules(path)
        if module.startswith("opendlign_core.") and module.split(".")[1] in closed
    ]
    assert not wrong


def test_importing_the_core_loads_nothing_heavy() -> None:
    code = "import sys, opendlign_core as od; od.BadInput; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "numpy", "pydantic", "open_clip", "scipy"}


@pytest.mark.parametrize("room", ROOMS)
def test_modules_stay_small(room: str) -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in source_files(room)}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "opendlign"])
def test_functions_stay_small(room: str) -> None:
    sizes = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in source_files(room)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not sizes or sum(size < 35 for size in sizes) >= 0.9 * len(sizes)
