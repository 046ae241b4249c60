"""Which results are compared with each other: those of the same recipes, however their changes were spelled."""

from pathlib import Path

import pytest
import yaml

from flows.series import load_series
from tests.flows.conftest import TINY


@pytest.fixture
def preset(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return str(path)


def test_a_preset_as_it_is_has_its_own_name(preset: str) -> None:
    assert load_series(preset).name == "tiny"


@pytest.mark.parametrize(
    "changes",
    [
        ["execution.evaluate.allowed_drop=1"],
        ["execution.train.device=cpu", "execution.gpu_workers=3"],
        ["train.epochs=2"],
        ["train.epochs=7", "train.epochs=2"],
    ],
)
def test_what_changes_no_recipe_changes_no_series(preset: str, changes: list[str]) -> None:
    assert load_series(preset, changes).name == "tiny"


def test_other_recipes_are_another_series_however_they_are_spelled(preset: str) -> None:
    name = load_series(preset, ["train.epochs=5"]).name
    assert name.startswith("tiny-") and name != "tiny"
    assert load_series(preset, ["train.epochs=4", "train.epochs=5.0"]).name == name
    assert load_series(preset, ["train.epochs=6"]).name != name


def test_the_same_kind_of_source_elsewhere_is_the_same_series(preset: str, tmp_path: Path) -> None:
    places = [f"ingest.source={{adapter: folder, url: {tmp_path / name}}}" for name in ("one", "another")]
    names = {load_series(preset, [place]).name for place in places}
    assert len(names) == 1 and names != {"tiny"}
