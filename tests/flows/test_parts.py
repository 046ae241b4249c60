"""Parts from end to end: a small `mini-parts`, what it keeps and shows, and what is refused."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.plan import plan_graph
from flows.preset import load_preset
from flows.regenerate import regenerate
from flows.sources import list_sources
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.segmentation.benchmark import SEGMENTATION
from storage.stores import open_store

SMALL = (
    "ingest.source.options.objects=40",
    "ingest.source.options.categories=chair,mug,table,lamp",
    "ingest.points=512",
)


def planned(store: Path, changes: Sequence[str]) -> None:
    preset = load_preset("mini-parts", changes)
    plan_graph(open_store(store), preset.graph, list_sources(preset, preset.graph))


@pytest.mark.server
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("flows")
def test_a_frozen_clip_names_the_parts_of_unseen_shapes(tmp_path: Path) -> None:
    regenerate("mini-parts", str(tmp_path), list(SMALL))
    folder = tmp_path / "evaluate"
    (numbers,), (page,) = folder.glob("*/results.*.json"), folder.glob("*/report.*.html")
    rows = {row["answer"]: row["instance"]["value"] for row in json.loads(numbers.read_text())["segmentation"]}
    assert rows["perfect pixels"] > 0.9 > rows["perfect words"] > rows["random parts"]
    assert rows["value-3 smoothed"] > rows["faithful"], "eight test shapes, 4 categories: far apart in all of 66"
    assert "Shapes in colours of their parts" in page.read_text()
    with get_client(sync_client=True) as client:
        keep = ArtifactFilter(key=ArtifactFilterKey(any_=[f"evaluate-{name}" for name in SEGMENTATION.shows]))
        found = {artifact.key for artifact in client.read_artifacts(artifact_filter=keep)}
    assert found == {f"evaluate-{name}" for name in SEGMENTATION.shows} != set()
    # The note of the last run is written anew, outputs are not.
    outputs = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "runs"]
    before = {path: path.stat().st_mtime_ns for path in outputs}
    regenerate("mini-parts", str(tmp_path), list(SMALL))
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ingest.keep_parts=false", r"evaluate: it judges the parts of points: ingest .* keep_parts=true"),
        ("project.places=[]", r"evaluate: it judges points where depth maps show them: project with places="),
    ],
)
def test_shapes_without_parts_and_maps_without_places_are_refused_at_once(change: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load_preset("mini-parts", [*SMALL, change])


def test_an_evaluation_needs_one_model(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nothing to evaluate: name a CLIP .* \(evaluate.clip"):
        planned(tmp_path, [*SMALL, "evaluate.clip=null"])
    preset = load_preset("mini", ["evaluate.clip=package:mini"])
    with pytest.raises(BadInput, match="two models to evaluate"):
        plan_graph(open_store(tmp_path), preset.graph, list_sources(preset, preset.graph))
    assert not any(tmp_path.iterdir())
