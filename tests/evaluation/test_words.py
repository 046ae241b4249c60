import hashlib
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import METHODS, DatasetSpec, EvalRecipe, MethodSpec
from opendlign_core.evaluation.labels import (
    LabelIndex,
    check_labels,
    label_lists,
    packaged_labels,
    read_labels,
    resolve_labels,
)
from opendlign_core.evaluation.specs import FewShotSpec
from opendlign_core.evaluation.templates import (
    depth_templates,
    fill,
    imagenet_templates,
    named_templates,
    read_templates,
)
from storage.fingerprint import canonical


def test_packaged_lists_have_their_sizes() -> None:
    sizes = {name: len(check_labels(packaged_labels(name), name)) for name in label_lists()}
    assert sizes == {
        "modelnet40": 40, "objaverse-lvis": 1156, "omniobject3d": 216, "scannet18": 18, "scanobjectnn": 15,
        "sunrgbd10": 10,
    }  # fmt: skip
    with pytest.raises(ValueError, match="known: modelnet40"):
        packaged_labels("modelnet")


def test_rewording_counts() -> None:
    worded = depth_templates(imagenet_templates())
    assert len(set(worded)) >= 79
    assert all(template.count("{}") == 2 for template in worded)
    assert sum("2D model" in template for template in worded) == 24
    assert sum("3D model" in template for template in worded) == 56
    assert sum("a rough {} object" in template for template in worded) == 26
    assert sum("photo" in template for template in worded) == 0


def test_the_scan_list_differs_once() -> None:
    pairs = zip(named_templates("depth"), named_templates("depth-scanobjectnn"), strict=True)
    assert [plain != scan for plain, scan in pairs].count(True) == 1


def test_every_slot_is_filled_and_braces_in_names_survive() -> None:
    assert fill("a {} of {}", "x{}") == "a x{} of x{}"


@pytest.mark.parametrize("text", ['["a {}.", "the {}"]', "a {}.\n\n  the {}  \n", "\ufeffa {}.\nthe {}\n"])
def test_template_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "templates.txt"
    path.write_text(text, encoding="utf-8")
    assert tuple(template.rstrip(".") for template in read_templates(path)) == ("a {}", "the {}")


@pytest.mark.parametrize(
    ("text", "message"), [("a chair", "has no {}"), ("", "holds no templates"), ("[1", "not JSON")]
)
def test_bad_template_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "templates.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_templates(path)
    assert "templates.txt" in str(error.value)


def test_label_files_and_twins(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("chair\nnight_stand\n")
    assert read_labels(path) == ("chair", "night_stand")
    path.write_text("night stand\nNight_Stand\n")
    with pytest.raises(ValueError, match="are the same class"):
        read_labels(path)


def test_labels_are_found_by_alias_case_and_underscore() -> None:
    index = LabelIndex(("chair", "night stand"), {"bedside table": "night stand"})
    assert [index.find(name) for name in ("Chair", "night_stand", "Bedside_Table", "sofa", None)] == [
        0,
        1,
        1,
        None,
        None,
    ]
    with pytest.raises(ValueError, match="alias 'x' leads to 'boat'"):
        LabelIndex(("chair",), {"x": "boat"})


def test_labels_from_the_data_are_folded_before_they_become_classes() -> None:
    written = ["chair", "Chair", "night_stand", "chair", "Night stand", "Night stand", "sofa "]
    assert resolve_labels("from-data", written) == ("Night stand", "chair", "sofa ")
    assert resolve_labels("from-data", ["Bed", "bed"]) == ("Bed",), "among equals the first in the alphabet"
    # A name out of a list, and the same name as a file system spells it.
    assert resolve_labels("from-data", ["caf\u00e9", "caf\u00e9", "cafe\u0301"]) == ("caf\u00e9",)
    assert resolve_labels("from-data", ["night  stand", "night stand", "night stand"]) == ("night stand",)


def test_recipes_take_methods_by_name_and_refuse_nonsense() -> None:
    recipe = EvalRecipe.model_validate({"datasets": [{"name": "a"}], "methods": ["pointclip-v2", {"name": "mine"}]})
    assert recipe.methods == (METHODS["pointclip-v2"], MethodSpec(name="mine"))
    assert EvalRecipe.model_validate_json(recipe.model_dump_json()) == recipe
    with pytest.raises(ValueError, match="unknown method 'best'; known: opendlign"):
        EvalRecipe.model_validate({"datasets": [{"name": "a"}], "methods": ["best"]})
    with pytest.raises(ValueError, match="two methods share a name"):
        EvalRecipe.model_validate({"datasets": [{"name": "a"}], "methods": ["opendlign", "opendlign"]})
    with pytest.raises(ValueError, match="belong to aggregation"):
        MethodSpec(name="x", search="train-split")


def test_lists_in_files_become_part_of_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("chair\nnight_stand\n")
    (tmp_path / "words.txt").write_text("a {}.\na shape of a {}.\n")
    (tmp_path / "sentences.json").write_text('{"chair": ["x"]}')

    def named(name: str) -> dict[str, str]:
        return {"file": str(tmp_path / name)}

    dataset = {"name": "a", "labels": named("names.txt"), "sentences_sha256": named("sentences.json")}
    values = {"datasets": [dataset], "methods": [{"name": "mine", "text": named("words.txt")}]}
    recipe = EvalRecipe.model_validate(values)
    assert recipe.datasets[0].labels == ("chair", "night_stand")
    assert recipe.methods[0].text == ("a {}.", "a shape of a {}.")
    digest = hashlib.sha256(b'{"chair": ["x"]}').hexdigest()
    assert recipe.datasets[0].sentences_sha256 == digest
    assert EvalRecipe.model_validate_json(recipe.model_dump_json()) == recipe, "no file is read again"
    (tmp_path / "words.txt").write_text("a chair.\n")
    with pytest.raises(ValueError, match=r"words.txt has no \{\}"):
        EvalRecipe.model_validate(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"datasets": [{"name": "a", "labels": "modelnet"}]}, "no packaged label list 'modelnet'; known: modelnet40"),
        ({"methods": [{"name": "m", "text": ["a chair"]}]}, "has no {}"),
        ({"datasets": [{"name": "a", "train_split": None}], "tasks": ["few-shot"]}, "a: few-shot, probes"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_computed(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        EvalRecipe.model_validate({"datasets": [{"name": "a"}], **values})


def test_a_data_set_may_want_other_words_than_a_method_names() -> None:
    scans = DatasetSpec.model_validate({"name": "scans", "texts": {"depth": "depth-scanobjectnn"}})
    assert METHODS["opendlign"].on(scans).text == "depth-scanobjectnn"
    assert METHODS["contour-only"].on(scans) == METHODS["contour-only"], "it names other words"
    assert METHODS["opendlign"].on(DatasetSpec(name="others")).text == "depth"
    own = MethodSpec(name="own", text=("a {}.",))
    assert own.on(scans) == own
    with pytest.raises(ValueError, match="no text ensemble is called 'dpeth'; known: imagenet, depth"):
        DatasetSpec.model_validate({"name": "scans", "texts": {"dpeth": "depth"}})


@pytest.mark.parametrize("preset", ["vit-b-32", "vit-b-16", "vit-l-14", "vit-h-14"])
def test_the_paper_s_presets_judge_scanobjectnn_with_its_own_words(preset: str) -> None:
    raw = yaml.safe_load((resources.files("flows.presets") / f"{preset}.yaml").read_text())
    recipe = EvalRecipe.model_validate(raw["evaluate"])
    words = {data.name: METHODS["opendlign"].on(data).text for data in recipe.datasets}
    assert words == {
        "ModelNet40": "depth",
        "ScanObjectNN": "depth-scanobjectnn",
        "OmniObject3D": "depth",
        "Objaverse-LVIS": "depth",
    }


def test_what_is_not_said_is_as_published() -> None:
    """The published few-shot and search settings, and each of the ten views; presets and users rely on them."""
    plain = EvalRecipe.model_validate({"datasets": [{"name": "a"}]})
    assert plain.view_counts == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    assert plain.few_shot.shots == (1, 2, 4, 8, 16)
    assert plain.few_shot.iterations == 300
    assert plain.search.levels == (0.25, 0.5, 0.75, 1.0)
    assert (plain.search.fixed_views, plain.search.fixed_weight) == (3, 0.75)


@pytest.mark.parametrize("scale", [0, -1])
def test_features_are_scaled_by_more_than_nothing(scale: int) -> None:
    with pytest.raises(ValueError, match="feature_scale"):
        FewShotSpec(feature_scale=scale)


def test_words_of_its_own_enter_a_data_set_s_identity_once_it_has_some() -> None:
    assert "texts" not in canonical(DatasetSpec(name="a"))
    assert canonical(DatasetSpec.model_validate({"name": "a", "texts": {"depth": "name"}}))["texts"] == {
        "depth": "name"
    }


def test_a_method_without_depth_maps_is_told_which_there_are() -> None:
    plain = EvalRecipe.model_validate({"datasets": [{"name": "a"}]})
    with pytest.raises(BadInput, match=r"none of it among these: none$"):
        plain.require_views({})
    with pytest.raises(BadInput, match=r"none of it among these: pointclip, mine$"):
        plain.require_views({"pointclip": 6, "mine": 2})
    plain.require_views({"opendlign": 10})
