"""Detection from end to end: a small `mini-scenes`, what it keeps, shows and compares, and what is refused."""

import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.plan import identify_graph
from flows.preset import load_preset
from flows.regenerate import regenerate
from flows.sources import list_sources
from opendlign.main import main
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.detection.benchmark import DETECTION
from opendlign_core.evaluation.results_file import read_results
from tasks.evaluate import EVALUATE
from tasks.train import TRAIN

DRAWS = [{"proposer": {"kind": "superpoints", "most": 16}, "seed": seed, "splits": ["test"]} for seed in (0, 1)]
SMALL = [
    "ingest.source.options.rooms=5",
    f"evaluate.options.detection.proposers={json.dumps(DRAWS)}",
    "evaluate.bootstrap.samples=50",
    "train.epochs=1",
]


@pytest.fixture(scope="module")
def store(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which five rooms were judged, one of them a test room; the second time more boxes may overlap."""
    folder = tmp_path_factory.mktemp("scenes")
    regenerate("mini-scenes", str(folder), SMALL)
    regenerate("mini-scenes", str(folder), [*SMALL, "evaluate.options.detection.selection.overlap=0.5"])
    return folder


@pytest.mark.server
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("flows")
def test_unseen_rooms_are_judged_in_found_and_in_true_boxes(store: Path) -> None:
    first, second = (path.parent for path in sorted((store / "evaluate").glob("*/results.*.json")))
    rows = read_results(next(first.glob("results.*.json"))).of(DETECTION)
    assert {row.boxes for row in rows} == {"superpoints", "ground-truth"}
    assert {row.method for row in rows} == {"aligned-texts", "opendlign", "training-free"}
    found = next(row for row in rows if row.boxes == "superpoints")
    assert len(found.overlaps[25].draws) == 2
    assert found.scenes == 1
    assert 0 < found.proposals <= 16
    assert found.shown[0].things == found.objects
    table = pq.read_table(next(first.glob("objects.*.parquet")))
    assert set(table["value"].to_pylist()) <= {0.0, 1.0}
    assert table.num_rows == len(rows) * found.objects
    page = next(first.glob("report.*.html")).read_text()
    assert "Scenes with true and found boxes" in page
    with pytest.raises(SystemExit) as ended:
        main(["compare", first.name, second.name, "--store", str(store), "--page", str(store / "compared.html")])
    assert ended.value.code == 0


@pytest.mark.server
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("flows")
def test_things_are_found_inside_scenes_by_words(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    picture = tmp_path / "hits.png"
    with pytest.raises(SystemExit) as ended:
        main(["search", "a chair", "--scenes", "--store", str(store), "--top", "3", "--picture", str(picture)])
    printed = capsys.readouterr()
    assert ended.value.code == 0, printed.err
    hits = re.findall(r"(rooms/\S+)/(\d+) .*?(\d+\.\d+ x \d+\.\d+ x \d+\.\d+ m at)", printed.out)
    assert len(hits) == 3 and picture.is_file()
    assert {scene for scene, _, _ in hits} == {"rooms/1-000002"}, "only the test room was proposed in by superpoints"
    index = tmp_path / "boxes.parquet"
    with pytest.raises(SystemExit) as ended:
        main(["index", "--scenes", "--store", str(store), "--out", str(index), "--split", "test"])
    assert ended.value.code == 0
    assert 3 < pq.read_table(index).num_rows <= 16  # of two draws of one proposer one is enough


@pytest.mark.server
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("flows")
def test_without_a_trained_model_the_frozen_clip_searches(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on ScanNet, whose preset trains none. The store is the same without what it trained."""
    bare, out = tmp_path / "bare", tmp_path / "boxes.parquet"
    shutil.copytree(store, bare, ignore=shutil.ignore_patterns("train", "evaluate"))
    with pytest.raises(SystemExit) as ended:
        main(["index", "--scenes", "--preset", "mini-scenes", "--store", str(bare), "--out", str(out)])
    printed = capsys.readouterr()
    assert ended.value.code == 0, printed.err
    assert "the frozen mini of" in " ".join(printed.out.split()) and 3 < pq.read_table(out).num_rows <= 16
    with pytest.raises(SystemExit) as ended:
        main(["search", "a chair", "--scenes", "--preset", "scannet", "--store", str(bare)])
    assert ended.value.code == 2, "its weights are not here"
    assert "the frozen ViT-H-14-quickgelu of the preset scannet" in " ".join(capsys.readouterr().out.split())


def test_any_model_is_judged_on_the_rooms_without_training() -> None:
    preset = load_preset("mini-scenes", SMALL)
    graph = preset.alone(EVALUATE.name, {TRAIN.name: "0" * 20})
    assert set(graph.stages) == {"ingest", "propose", "project", "train", "evaluate"}
    (node,) = graph.of(EVALUATE)
    assert [name.split()[-1] for name in node.inputs["proposals"]] == ["rooms", "superpoints", "2"]


def test_draws_of_a_proposer_are_outputs_of_their_own_under_one_name() -> None:
    preset = load_preset("mini-scenes", SMALL)
    graph = preset.graph
    (first, second) = (node for node in graph.of("propose") if node.label == "superpoints")
    assert (first.recipe.seed, second.recipe.seed) == (0, 1)
    found = identify_graph(graph, list_sources(preset, graph))
    assert found[first.name].fingerprint != found[second.name].fingerprint
    upstream = found["evaluate"].upstream
    assert {upstream["propose:superpoints"], upstream["propose:superpoints-1"]} == {
        found[first.name].fingerprint,
        found[second.name].fingerprint,
    }


def test_boxes_without_scenes_and_unknown_proposers_are_refused_at_once() -> None:
    with pytest.raises(BadInput, match="it judges boxes in scenes: give the preset a source of scenes"):
        load_preset("mini", ["evaluate.tasks=[detection]"])
    with pytest.raises(BadInput, match="guesses"):
        load_preset("mini-scenes", [*SMALL, 'evaluate.options.detection.proposers=[{"proposer": "guesses"}]'])
