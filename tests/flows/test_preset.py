"""Presets load, take changes, and refuse nonsense with one sentence."""

from pathlib import Path

import pytest

from flows.preset import PresetError, load_preset, preset_names


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_are_valid(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.recipes["evaluate"].datasets


def test_the_papers_presets_follow_the_published_recipes() -> None:
    preset = load_preset("vit-h-14")
    assert preset.recipes["train"].clip.model == "ViT-H-14-quickgelu"
    train = preset.recipes["train"]
    assert (train.epochs, train.peak_lr, train.batch_size) == (10, 3e-4, 60)
    assert preset.source.points == 10_000
    assert preset.recipes["project"].size == 224
    assert preset.recipes["synthesize"].synthesizer.name == "controlnet"


def test_a_change_reaches_its_field_by_verb_or_noun() -> None:
    assert load_preset("vit-b-32", ["train.epochs=3"]).recipes["train"].epochs == 3
    assert load_preset("vit-b-32", ["training.epochs=3"]).recipes["train"].epochs == 3
    batch = load_preset("vit-b-32", ["execution.synthesize.batch_size=8"]).executions["synthesize"].batch_size
    assert batch == 8
    assert load_preset("vit-b-32", ["ingest.source.splits=[train]"]).source.source.splits == ("train",)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("nonsense", [], "unknown preset 'nonsense'; choose one of"),
        ("absent.yaml", [], "no preset file absent.yaml"),
        ("vit-b-32", ["train.epoch=3"], "train.epoch: there is no such field; did you mean epochs?"),
        ("vit-b-32", ["train.epochs=many"], "train.epochs: Input should be a valid integer"),
        ("vit-b-32", ["epochs"], "write it as stage.field=value"),
        ("vit-b-32", ["cook.time=3"], "no stage 'cook'"),
        ("vit-b-32", ["project.base=fisheye"], "unknown projection recipe 'fisheye'"),
        ("vit-b-32", ["train.clip=package:none"], "ships no checkpoint named 'none'"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(name: str, changes: list[str], message: str) -> None:
    with pytest.raises(PresetError) as caught:
        load_preset(name, changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_preset_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("- a list\n")
    with pytest.raises(PresetError, match=r"mine\.yaml must be a mapping"):
        load_preset(str(path))
    path.write_text("a: [")
    with pytest.raises(PresetError, match="is not YAML"):
        load_preset(str(path))


@pytest.mark.parametrize("name", preset_names())
def test_published_weights_are_pinned_to_a_commit(name: str) -> None:
    recipes = load_preset(name).recipes
    clips = [recipes[stage].clip for stage in ("train", "evaluate") if stage in recipes and recipes[stage].clip]
    assert clips
    assert all(clip.revision or clip.weights.startswith("package:") for clip in clips)


def test_words_for_truth_are_words(tmp_path: Path) -> None:
    source = load_preset("vit-b-32", ["ingest.source.options.suffixes=off"]).source.source
    assert source.option("suffixes", "") == "off"
    mine = tmp_path / "mine.yaml"
    mine.write_text("ingest: {source: {adapter: folder, url: x, options: {suffixes: off, split: on}}}\n")
    assert dict(load_preset(str(mine)).source.source.options) == {"suffixes": "off", "split": "on"}
    with pytest.raises(PresetError, match="keep_parts"):
        load_preset("vit-b-32", ["ingest.keep_parts=maybe"])
    assert load_preset("vit-b-32", ["ingest.keep_parts=true"]).source.keep_parts
