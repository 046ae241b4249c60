"""Sources that are not on this machine: a plan lists what it can, and a run refuses before it starts anything."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.plan import NodeStatus, Planned, identify_graph, plan_graph, survey_graph
from flows.preset import Preset, PresetError, load_preset, source_name
from flows.sources import SourceAbsent, list_sources, require_listings, require_usable
from storage.stores import open_store
from tests.flows.conftest import TINY

PROCEDURAL = {"adapter": "procedural", "options": {"objects": "20", "categories": "chair,table"}}


@pytest.fixture
def preset_file(tmp_path: Path) -> str:
    """A training source and a benchmark that are there, and a benchmark that is not."""
    benchmarks = [
        {"source": {**PROCEDURAL, "name": "here"}, "points": 64},
        {"source": {"adapter": "folder", "name": "away", "url": str(tmp_path / "away")}, "points": 64},
    ]
    datasets = [
        {"name": "Here", "sources": ["here"]},
        {"name": "Away", "sources": ["away"], "split": "train"},
        {"name": "Both", "sources": ["here", "away"]},
    ]
    preset: dict[str, Any] = {**TINY, "benchmarks": benchmarks}
    preset["evaluate"] = {**preset["evaluate"], "datasets": datasets}
    path = tmp_path / "mixed.yaml"
    path.write_text(yaml.safe_dump(preset))
    return str(path)


def survey(preset: Preset, store: Path) -> dict[str, Planned]:
    found = survey_graph(open_store(store), preset.graph, list_sources(preset))
    return {planned.title: planned for planned in found}


def test_a_plan_lists_what_it_can_tell_without_the_absent_source(preset_file: str, tmp_path: Path) -> None:
    found = survey(load_preset(preset_file), tmp_path / "store")
    known = {title for title, stage in found.items() if isinstance(stage, NodeStatus)}
    assert known == {"ingest procedural", "ingest here", "project procedural", "project here", "synthesize", "train"}
    unknown = {title: stage.absent for title, stage in found.items() if not isinstance(stage, NodeStatus)}
    assert unknown == dict.fromkeys(("ingest away", "project away", "evaluate"), ("away",))


def test_a_plan_without_the_training_source_still_knows_the_benchmarks(preset_file: str, tmp_path: Path) -> None:
    absent = f"ingest.source={{adapter: folder, url: {tmp_path / 'nowhere'}}}"
    found = survey(load_preset(preset_file, [absent]), tmp_path / "store")
    known = {title for title, stage in found.items() if isinstance(stage, NodeStatus)}
    assert known == {"ingest here", "project here"}
    assert list(found)[-1] == "evaluate"


def test_fingerprints_do_not_depend_on_what_else_is_there(preset_file: str, tmp_path: Path) -> None:
    store, alone = tmp_path / "store", load_preset(preset_file, ["benchmarks=[]"])
    mixed = survey(load_preset(preset_file), store)
    for status in plan_graph(open_store(store), alone.graph, list_sources(alone))[:-1]:
        same = mixed[status.title]
        assert isinstance(same, NodeStatus)
        assert same.identity == status.identity
    whole = load_preset(preset_file)
    part = whole.graph.until("train")
    assert not set(part.by_name()) & {"ingest here", "project here", "ingest away"}
    models = (identify_graph(preset.graph.until("train"), list_sources(alone)) for preset in (whole, alone))
    assert len({found["train"].fingerprint for found in models}) == 1


def test_a_run_refuses_and_says_how_to_name_the_source_or_do_without(preset_file: str, tmp_path: Path) -> None:
    preset, store = load_preset(preset_file), tmp_path / "store"
    with pytest.raises(SourceAbsent) as refused:
        plan_graph(open_store(store), preset.graph, list_sources(preset))
    message = str(refused.value)
    assert f"away: source folder {tmp_path / 'away'} does not exist" in message
    assert "--set benchmarks.away.source.url=PATH" in message
    assert "--set benchmarks=[here]" in message
    assert not store.exists()
    require_listings(list_sources(load_preset(preset_file, ["benchmarks=[here]"])).values())


def test_the_named_place_is_taken(preset_file: str, tmp_path: Path) -> None:
    (tmp_path / "else" / "chair").mkdir(parents=True)
    (tmp_path / "else" / "chair" / "a.xyz").write_text("0 0 0\n1 1 1\n")
    sources = list_sources(load_preset(preset_file, [f"benchmarks.away.source.url={tmp_path / 'else'}"]))
    assert [len(listing.entries) for listing in require_listings(sources.values())][2] == 1


def test_data_sets_go_with_the_benchmarks_they_were_judged_on(preset_file: str) -> None:
    def datasets(*changes: str) -> list[str]:
        return [dataset.name for dataset in load_preset(preset_file, changes).recipes["evaluate"].datasets]

    assert datasets("benchmarks=[here]") == ["Here", "Both"]
    assert datasets("benchmarks=[away]") == ["Away", "Both"]
    assert datasets("benchmarks=[]") == ["procedural"]
    assert datasets("benchmarks=[here, away]") == ["Here", "Away", "Both"]
    assert [source_name(recipe) for recipe in load_preset(preset_file, ["benchmarks=[]"]).judged] == ["procedural"]
    assert [source_name(recipe) for recipe in load_preset(preset_file).judged] == ["here", "away"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("benchmarks=[there]", r"choose among this preset's, as \[here, away\], or \[\] for none"),
        ("benchmarks=here", "choose among this preset's"),
        ("benchmarks=[{source: x}]", "choose among this preset's"),
        ("benchmarks.there.points=3", "0 items are called 'there'; there are here, away"),
        ("benchmarks=[here", "is not YAML"),
    ],
)
def test_benchmarks_that_a_preset_has_not_are_refused(preset_file: str, change: str, message: str) -> None:
    with pytest.raises(PresetError, match=message):
        load_preset(preset_file, [change])


def test_a_data_set_without_objects_is_refused_before_training(preset_file: str) -> None:
    kept = load_preset(preset_file, ["benchmarks=[]"])
    require_usable(kept.graph, list_sources(kept))
    preset = load_preset(preset_file, ["benchmarks=[]", "ingest.source.splits=[train]"])
    with pytest.raises(SourceAbsent, match=r"nothing to judge procedural on.*split test \(procedural has train\)"):
        require_usable(preset.graph, list_sources(preset))


def test_sources_are_listed_without_the_engine() -> None:
    code = "import sys, flows.sources; sys.exit(bool({'prefect', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
