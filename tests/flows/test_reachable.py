"""The model of any run can be reached: by the last run, by its preset and source, by its fingerprint."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import opendlign_core as od
from flows.history import last_run, note_run, runs
from flows.regenerate import regenerate
from opendlign.ask import Asked, ask
from opendlign.main import main
from opendlign.models import Which, find
from opendlign.run import print_next
from opendlign.segment import parts_model
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvalSample, query_embedding
from storage.errors import MissingOutput
from storage.fingerprint import StageIdentity
from storage.output import StageOutput
from storage.stores import open_store
from tests.cubes import CUBE
from tests.flows.planning import fingerprints, planned
from tests.servers import ROOT
from tests.threads import torch_threads

pytestmark = [pytest.mark.server, pytest.mark.timeout(600), pytest.mark.xdist_group("flows")]

OTHER = "list:shapes.csv"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sixteen boxes in two classes, listed in a table."""
    folder = tmp_path_factory.mktemp("place")
    rows = ["uri,label,split"]
    for index in range(16):
        name, split = f"{index}.off", "test" if index % 4 == 3 else "train"
        (folder / name).write_text(CUBE.replace("1 1 1\n", f"1 1 1.{index:02d}\n"))
        rows.append(f"{name},{'crate' if index % 2 else 'box'},{split}")
    (folder / "shapes.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def store(finished_store: Path, tiny_preset: str, place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny chain's store, in which the same preset ran on the boxes after that."""
    copied = Path(shutil.copytree(finished_store, tmp_path_factory.mktemp("reachable") / "store"))
    with pytest.MonkeyPatch.context() as patch, torch_threads(2):
        patch.chdir(place)
        regenerate(tiny_preset, str(copied), on_boxes(tiny_preset, copied).changes)
    return copied


def on_boxes(preset: str, store: Path) -> Asked:
    changes = ['evaluate.datasets=[{"name": "boxes"}]', "execution.synthesize.max_rejected_share=1"]
    return ask(preset, str(store), changes, OTHER)


@pytest.fixture(autouse=True)
def there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "300")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr()
    assert ended.value.code == 0, told.err
    return told.out


def test_the_last_run_is_what_is_meant_and_is_named(store: Path) -> None:
    found = find(Which(store=str(store)))
    assert found.source.source.adapter == "list"
    assert "source list" in found.told and "tiny.yaml, the last run of" in found.told


def test_an_older_run_is_reached_by_its_preset(store: Path, tiny_preset: str) -> None:
    found = find(Which(preset=tiny_preset, store=str(store)))
    assert found.manifest.fingerprint == fingerprints(store, tiny_preset)["train"]
    assert found.outputs.clouds.fingerprint == fingerprints(store, tiny_preset)["ingest"]


def test_a_source_is_reached_by_its_name(store: Path, tiny_preset: str) -> None:
    asked = on_boxes(tiny_preset, store)
    found = find(Which(tiny_preset, str(store), ['evaluate.datasets=[{"name": "boxes"}]'], OTHER))
    boxes = fingerprints_of(store, tiny_preset, asked.changes)
    assert (found.manifest.fingerprint, found.outputs.clouds.fingerprint) == (boxes["train"], boxes["ingest"])


def fingerprints_of(store: Path, preset: str, changes: list[str]) -> dict[str, str]:
    return {status.stage: status.identity.fingerprint for status in reversed(planned(store, preset, changes))}


def test_a_named_model_brings_its_own_shapes(store: Path, tiny_preset: str) -> None:
    """And not those of a preset that nobody asked for."""
    chain = fingerprints(store, tiny_preset)
    found = find(Which(store=str(store), model=chain["train"][:8]))
    assert found.outputs.clouds.fingerprint == chain["ingest"]
    assert found.projection.size == 32 and found.source.points == 256


def test_a_run_again_is_the_last_one(store: Path, tiny_preset: str, tmp_path: Path) -> None:
    copied = open_store(shutil.copytree(store, tmp_path / "store"))
    before = len(list(runs(copied)))
    note_run(copied, tiny_preset, [], planned(Path(copied.url), tiny_preset))
    found = last_run(copied, "train")
    assert found is not None and not found[0].changes
    assert len(list(runs(copied))) == before


def test_a_run_whose_model_was_collected_is_passed_over(store: Path, tiny_preset: str, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(store, tmp_path / "store"))
    gone = find(Which(store=str(store))).manifest
    shutil.rmtree(copied / gone.folder)
    found = last_run(open_store(copied), "train")
    assert found is not None and found[1].fingerprint == fingerprints(store, tiny_preset)["train"]


def test_a_model_from_elsewhere_asks_for_its_preset(store: Path, tmp_path: Path) -> None:
    opened = open_store(shutil.copytree(store, tmp_path / "store"))
    manifest = find(Which(store=str(store))).manifest
    identity = StageIdentity(stage="train", version=1, recipe=manifest.recipe, upstream={"official": "0" * 20})
    imported = StageOutput(opened, identity).commit_manifest()
    with pytest.raises(BadInput, match=r"trained elsewhere.*name the preset.*--preset"):
        find(Which(store=opened.url, model=imported.fingerprint))
    assert find(Which("mini", opened.url, model=imported.fingerprint)).manifest == imported


def test_an_evaluation_of_a_model_from_elsewhere_takes_nothing_for_granted(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = open_store(shutil.copytree(store, tmp_path / "store"))
    manifest = find(Which(store=str(store))).manifest
    identity = StageIdentity(stage="train", version=1, recipe=manifest.recipe, upstream={"official": "1" * 20})
    imported = StageOutput(opened, identity).commit_manifest()
    ingested = set(opened.list("ingest"))
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--model", imported.fingerprint, "--store", opened.url])
    assert ended.value.code == 2
    assert "name the preset whose benchmarks are to judge it" in capsys.readouterr().err
    assert set(opened.list("ingest")) == ingested


def test_a_store_without_runs_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingOutput, match="has seen no run that trained a model: `opendlign run` first"):
        find(Which(store=str(tmp_path)))


def test_the_commands_that_a_run_prints_work(
    store: Path, tiny_preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = on_boxes(tiny_preset, store)
    print_next(asked, planned(store, tiny_preset, asked.changes))
    _, *told = capsys.readouterr().out.splitlines()
    commands = [line.partition("opendlign ")[2] for line in told]
    assert [command.partition(" ")[0] for command in commands] == ["classify", "search"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    classified = printed(capsys, *shlex.split(commands[0].replace("FILE", "1.off")))
    assert "source list:shapes.csv" in classified and "box" in classified and "crate" in classified
    found = printed(capsys, *shlex.split(commands[1]), "--picture", str(tmp_path / "hits.png"))
    assert "list/" in found and "procedural/" not in found
    assert " objects ...\n" in found.partition("Embedding ")[2], "what takes a while is said"
    assert (tmp_path / "hits.png").stat().st_size > 1000


def test_an_evaluation_goes_on_with_the_last_run(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, "evaluate", "--store", str(store))
    assert "tiny.yaml, the last run of" in told
    assert "boxes" in told


def test_python_loads_the_same_model_from_the_store(
    store: Path, finished_store: Path, tiny_preset: str, place: Path
) -> None:
    chain = find(Which(preset=tiny_preset, store=str(store)))
    model = od.load(store / chain.manifest.folder, device="cpu")
    assert (model.seeing.projection, model.seeing.points) == (chain.projection, 256)
    cube = od.read(place / "1.off")
    asked = od.embed(model, cube)
    maps = od.project(od.sample(cube, 256), chain.projection)
    assert np.array_equal(asked, query_embedding(chain.model, shape=EvalSample("cube", None, maps)))
    assert od.load(finished_store, device="cpu").encoders.fingerprint == model.encoders.fingerprint
    with pytest.raises(BadInput, match=f"holds 2 trained models; name one of {store}/train/"):
        od.load(store)


def test_a_model_whose_bytes_changed_is_refused(finished_store: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(finished_store, tmp_path / "store"))
    (weights,) = copied.glob("train/*/adapter.*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(BadInput, match="is not what its manifest says; see opendlign verify"):
        od.load(copied)


@pytest.mark.parametrize(
    ("words", "imported"),
    [
        (("plan",), set()),
        (("run",), set()),
        (("inspect",), set()),
        (("classify", "1.off", "--labels", "box,crate"), {"torch"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_quick_command_imports_no_engine(
    words: tuple[str, ...], imported: set[str], finished_store: Path, tiny_preset: str
) -> None:
    preset = () if words[0] == "inspect" else ("--preset", tiny_preset)
    code = (
        "import sys\nfrom opendlign.main import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit as ended:\n"
        "    assert ended.code == 0\nprint()\nprint(*{'prefect', 'torch'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, *words, *preset, "--store", str(finished_store)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.splitlines()[-1].split()) == imported


def test_a_trained_branch_names_parts(
    store: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = find(Which(store=str(store)))
    named = Which("mini-parts", str(store), model=trained.manifest.fingerprint[:8])
    eye = parts_model(named, None, None).segmenter.eye
    assert (eye.model.fingerprint, eye.method.name) == (trained.model.fingerprint, "aligned-parts")
    words = ("--store", str(store), "--model", trained.manifest.fingerprint, "--out", str(tmp_path / "parts"))
    # The tower of this chain has too few blocks for what the preset chooses.
    plain = ("--set", "evaluate.options.segmentation.answers=[corrected]")
    told = printed(capsys, "segment", "0.off", "--parts", "top,side", *words, *plain)
    assert "0.off: 12 triangles, 2,048 points asked" in told
    assert {path.name for path in (tmp_path / "parts").iterdir()} == {"0.glb", "0.ply", "0.png", "parts.csv"}
