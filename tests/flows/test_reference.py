"""What a preset may say: the list of fields, errors that name the right place, and what may be left out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.preset import PresetError, load_preset
from flows.reference import fields_of, places_of
from opendlign.main import main
from opendlign_core.recipe import Recipe
from tasks.registry import STAGES
from tasks.stage import AnyStage
from tests.servers import ROOT


def leaves(place: str, value: Any) -> set[str]:
    """Every field of a recipe that is there, as it is written."""
    found = set[str]()
    for name in type(value).model_fields:
        found.add(f"{place}.{name}")
        if isinstance(inside := getattr(value, name), Recipe):
            found |= leaves(f"{place}.{name}", inside)
    return found


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_field_is_listed_with_its_use(stage: AnyStage) -> None:
    listed = {line.path: line for line in fields_of(stage)}
    for preset in ("mini", "vit-b-32"):
        chosen = load_preset(preset, stages=["dlign"])
        written = leaves(stage.name, chosen.recipes.get(stage.name) or stage.recipe())
        assert written | leaves(f"execution.{stage.name}", chosen.executions[stage.name]) <= listed.keys()


def test_a_listed_field_can_be_set() -> None:
    line = next(line for line in fields_of(STAGES[0]) if line.path == "ingest.reduction")
    assert (line.kind, line.default) == ("fps | random | first", "fps")
    for value in line.kind.split(" | "):
        assert load_preset("mini", [f"{line.path}={value}"]).recipes["ingest"].reduction == value


def test_a_field_that_a_named_projection_brings_has_its_default() -> None:
    project = next(stage for stage in STAGES if stage.name == "project")
    assert {line.path: line.default for line in fields_of(project)}["project.size"] == "224"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ingest.max_rejected_share=1", r"did you mean execution\.ingest\.max_rejected_share\?"),
        ("project.epochs=3", r"did you mean train\.epochs\?"),
        ("train.epoch=3", r"did you mean epochs\?"),
        ("epochs=3", r"such as train\.epochs="),
        ("nonsense=3", r"such as train\.epochs=5"),
        ("train.nonsense=3", r"train\.nonsense: there is no such field$"),
    ],
)
def test_a_misplaced_field_is_told_its_place(change: str, message: str) -> None:
    with pytest.raises(PresetError, match=message):
        load_preset("mini", [change])


def test_a_field_of_a_stage_comes_first() -> None:
    assert places_of("max_rejected_share", "train") == ["execution.train.max_rejected_share"]
    assert len(places_of("max_rejected_share")) == len(STAGES)


def test_the_console_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fields", "training"])
    told = capsys.readouterr().out
    assert ended.value.code == 0 and "train.peak_lr" in told and "ingest.points" not in told
    with pytest.raises(SystemExit) as ended:
        main(["fields", "cooking"])
    assert ended.value.code == 2 and "no stage 'cooking'" in capsys.readouterr().err


def test_a_preset_says_only_what_is_its_own(tmp_path: Path) -> None:
    given = {"ingest": {"source": {"adapter": "procedural"}}, "train": {"clip": "package:mini"}, "evaluate": {}}
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(given))
    preset = load_preset(str(tmp_path / "short.yaml"))
    assert preset.graph.stages == ("ingest", "project", "synthesize", "train", "evaluate")
    assert [(one.name, one.sources) for one in preset.recipes["evaluate"].datasets] == [
        ("procedural", ("procedural",))
    ]
    assert preset.recipes["project"] == load_preset("vit-b-32").recipes["project"]


def test_benchmarks_are_the_data_sets_of_a_preset_that_names_none(tmp_path: Path) -> None:
    given = {
        "ingest": {"source": {"adapter": "procedural"}},
        "benchmarks": [{"source": {"adapter": "folder", "url": "x", "name": "mine"}}],
        "evaluate": {"clip": "package:mini"},
    }
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(given))
    preset = load_preset(str(tmp_path / "short.yaml"))
    assert [one.name for one in preset.recipes["evaluate"].datasets] == ["mine"]
    assert "train" not in preset.graph.stages


def test_the_example_is_a_whole_preset() -> None:
    preset = load_preset(str(ROOT / "examples" / "my.yaml"))
    assert preset.graph.stages == ("ingest", "project", "synthesize", "train", "evaluate")
    assert preset.recipes["project"] == load_preset("mini").recipes["project"]
