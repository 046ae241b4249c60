"""The pose benchmark on photos whose pose anybody can see, from pictures to rows, report and refusals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvalRecipe, ReportData, evaluate, render_report, results_text
from opendlign_core.evaluation.findings import MeasuredObjects
from opendlign_core.evaluation.pose.benchmark import POSE
from opendlign_core.evaluation.pose.comparing.search import Comparable
from opendlign_core.evaluation.pose.counting import PoseResult
from opendlign_core.evaluation.pose.encoders import ProbedFolder, ProbedTower
from opendlign_core.evaluation.pose.session import COMMONEST, held_out
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.results_file import read_results_text
from opendlign_core.samples import PosedPhoto
from opendlign_core.samples.meta import CadReference
from tests.evaluation.pose.photos import dots
from tests.evaluation.sources import ListSource, MemoryCache
from tests.evaluation.tiny import seeded_model

PROBE = {"blocks": ["1_last"], "rates": [0.1, 1.0], "epochs": 30, "batch": 32}


def source() -> ListSource:
    return ListSource([], photographed={"train": dots(300, 0, "train"), "test": dots(60, 1, "test")})


def recipe(options: dict[str, Any] | None = None, **changes: Any) -> EvalRecipe:
    values: dict[str, Any] = {
        "datasets": [{"name": "dots"}],
        "tasks": ["pose"],
        "methods": [{"name": "tuned", "branches": "depth"}, {"name": "frozen", "branches": "base"}],
        "bootstrap": {"samples": 50},
        "options": {"pose": {"probe": PROBE, **(options or {})}},
        **changes,
    }
    return EvalRecipe.model_validate(values)


def judged(asked: EvalRecipe, given: ListSource | None = None, cache: MemoryCache | None = None) -> EvaluationResults:
    return evaluate(seeded_model(), asked, given or source(), cache=cache)[0]


def rows(results: EvaluationResults) -> dict[str, PoseResult]:
    return {row.method: row for row in results.of(POSE)}


@pytest.fixture(scope="module")
def whole() -> EvaluationResults:
    """With known and novel categories and a group."""
    return judged(recipe({"known": ["car"], "groups": {"vehicles": ["car"], "music": ["harp"]}}))


def test_probes_see_what_the_commonest_pose_cannot(whole: EvaluationResults) -> None:
    found = rows(whole)
    assert list(found) == ["tuned", COMMONEST, "frozen"]
    assert found[COMMONEST].within_30.value < 0.35
    for branch in ("tuned", "frozen"):
        assert found[branch].within_30.value > found[COMMONEST].within_30.value + 0.2
        assert found[branch].photos == 60 and "rate" in found[branch].remark
    assert found["tuned"].within_30 != found["frozen"].within_30, "the branches differ"


def test_known_novel_and_groups_of_categories_are_counted_apart(whole: EvaluationResults) -> None:
    (tuned, *_) = whole.of(POSE)
    groups = {group.name: group for group in tuned.groups}
    assert list(groups) == ["known categories", "novel categories", "vehicles"]
    assert groups["known categories"].photos == groups["novel categories"].photos == 30
    assert groups["vehicles"] == groups["known categories"].model_copy(update={"name": "vehicles"})
    assert [one.name for one in tuned.categories] == ["car", "key"]


def test_results_table_and_page_tell_the_rows(whole: EvaluationResults) -> None:
    assert read_results_text(results_text(whole)).of(POSE) == whole.of(POSE)
    assert [headline.method for headline in POSE.headlines(whole)] == ["tuned", "frozen"]
    table = POSE.table(whole)
    assert [row[1] for row in table.rows] == ["tuned", COMMONEST, "frozen"]
    page = render_report(ReportData("pose", whole))
    assert "Pose by category" in page and "novel categories" in page
    assert "DINOv2" not in page, "numbers of ImageNet3D belong beside ImageNet3D alone"


class Compass:
    """Tells every pose right and calls every thing a car."""

    def __init__(self, photos: list[PosedPhoto]) -> None:
        self.known = {photo.square().tobytes(): photo.angles() for photo in photos}

    def tell(self, photos: torch.Tensor) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        angles = np.stack([self.known[photo.numpy().tobytes()] for photo in photos])
        return angles, ("car",) * len(photos)


def test_a_trained_network_has_a_row_with_its_categories() -> None:
    photos = dots(60, 1, "test")
    given = ListSource([], photographed={"train": dots(60, 0, "train"), "test": photos})
    given.tellers = {"compass": Compass(photos)}
    found = rows(judged(recipe({"left_out": ["harp"]}), given))["compass"]
    assert (found.kind, found.photos, found.within_30.value) == ("network", 60, 1.0)
    assert found.named is not None and found.aware is not None
    assert found.named.value == found.aware.value == 0.5, "a wrong category makes no pose right"


def bladed(photo: PosedPhoto) -> tuple[PosedPhoto, Comparable]:
    """A photo of a blade that turns with the azimuth, beside views of it."""

    def blades(angles: NDArray[np.float64]) -> torch.Tensor:
        rows, columns = np.mgrid[:32, :32] - 15.5
        along = np.sin(angles[:, 0])[:, None, None] * columns + np.cos(angles[:, 0])[:, None, None] * rows
        across = np.cos(angles[:, 0])[:, None, None] * columns - np.sin(angles[:, 0])[:, None, None] * rows
        seen = (along > 0) & (along < 13) & (abs(across) < 4 - along / 4)
        return torch.from_numpy(np.where(seen, 0.5, 1.0))

    meta = photo.meta.model_copy(update={"cad": CadReference(digest=photo.meta.object_id, uri="blade.off", number=1)})
    picture = (
        np.where((blades(photo.angles()[None])[0].numpy() < 1)[..., None], 220, 30).repeat(3, -1).astype(np.uint8)
    )
    return replace(photo, meta=meta), Comparable(picture, np.ones((32, 32), bool), blades)


def test_views_of_cads_are_compared_with_as_many_photos_as_asked_for() -> None:
    pairs = [bladed(photo) for photo in dots(12, 1, "test")]
    photos = [photo for photo, _ in pairs]
    given = ListSource([], photographed={"train": dots(60, 0, "train"), "test": photos})
    given.cad_views = {photo.meta.object_id: views for photo, views in pairs}
    asked = recipe({"compare": {"elevations": [5.7], "colours": 2, "kept": 1, "steps": [2.0]}, "compared": 6})
    found = rows(judged(asked, given))["render and compare"]
    assert (found.kind, found.photos) == ("compare", 6)
    assert found.within_30.value > 0.8


def test_categories_that_nobody_can_tell_are_left_out() -> None:
    photos = dots(60, 1, "test")
    given = ListSource([], photographed={"train": dots(60, 0, "train"), "test": photos})
    given.tellers = {"compass": Compass(photos)}
    for row in rows(judged(recipe({"left_out": ["key"]}), given)).values():
        assert [one.name for one in row.categories] == ["car"] and row.photos == 30


def test_every_photo_has_its_own_number() -> None:
    _, objects = evaluate(seeded_model(), recipe(), source())
    measured = {part.method: part for part in objects if isinstance(part, MeasuredObjects)}
    assert set(measured) == {"tuned", "frozen", COMMONEST}
    assert len(measured["tuned"].object_ids) == 60 and measured["tuned"].values.min() >= 0


def test_features_are_read_once_and_then_remembered() -> None:
    cache, first, second = MemoryCache(), source(), source()
    told = judged(recipe(), first, cache)
    assert len(first.reads) == 4
    again = judged(recipe(), second, cache)
    assert again.of(POSE) == told.of(POSE) and second.reads == []


def test_a_head_chosen_on_the_reported_photos_is_marked() -> None:
    honest, faithful = (judged(recipe({"probe": {**PROBE, "chosen_on": on}})) for on in ("val", "reported"))
    for results, marked in ((honest, False), (faithful, True)):
        assert rows(results)["tuned"].chosen_on_reported is marked
        assert ("reported" in next(iter(POSE.headlines(results))).mark) is marked


@pytest.mark.parametrize("branch", ["base", "depth"])
def test_the_last_block_that_probes_read_is_what_the_branch_embeds(branch: Any) -> None:
    aligned: Any = seeded_model().encoder
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        (last,) = aligned.block_outputs(images, branch, [aligned.depth - 1])
        torch.testing.assert_close(
            aligned._project(last[:, 0]), aligned.encode_image(images, branch), atol=1e-5, rtol=1e-4
        )


def test_all_photos_of_a_shape_are_held_out_together() -> None:
    photos = dots(40, 0, "train")
    from opendlign_core.evaluation.pose.album import Photographed

    reading = Photographed(ProbedTower(seeded_model(), "base"), (2,), mirrored=False)
    album = reading.album(photos, "", None)
    shapes = tuple(f"shape{number // 4}" for number in range(40))
    held = held_out(replace(album, things=shapes), 0.3)
    assert 0 < held.sum() < 40
    assert all(len(set(held[4 * shape : 4 * shape + 4])) == 1 for shape in range(10))


@pytest.mark.parametrize(
    ("given", "options", "sentence"),
    [
        (ListSource([]), {}, "no photos with poses"),
        (None, {"known": ["plane"]}, "names none of: car, key"),
        (None, {"probe": {"blocks": ["4_last"]}}, "3 blocks"),
        (None, {"encoders": [{"folder": "/nowhere"}]}, "/nowhere: holds no model.safetensors"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(
    given: ListSource | None, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        judged(recipe(options), given)


def test_a_data_set_without_a_train_split_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"probes of pose .* need a train_split"):
        recipe(datasets=[{"name": "dots", "train_split": None}])


@pytest.mark.parametrize("kind", ["dinov2", "mae", "vit", "deit"])
def test_vision_models_of_transformers_are_probed_with_their_own_preprocessing(kind: str, tmp_path: Any) -> None:
    """Raw outputs of the blocks, without the norm at the end; MAE shows all patches."""
    import transformers

    settings = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32,
                "image_size": 28, "patch_size": 14}  # fmt: skip
    name = {"dinov2": "Dinov2", "mae": "ViTMAE", "vit": "ViT", "deit": "DeiT"}[kind]
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings)).eval()
    model.save_pretrained(tmp_path)
    transformers.ViTImageProcessor(size={"height": 28, "width": 28}).save_pretrained(tmp_path)
    probed = ProbedFolder(tmp_path, "digest")
    photos = torch.from_numpy(np.stack([photo.picture() for photo in dots(2, 0, "test")]))
    outputs = probed.outputs(photos, (1, 3))
    assert probed.depth == 4 and [tuple(tokens.shape[::2]) for tokens in outputs] == [(2, 16)] * 2
    special = 2 if kind == "deit" else 1
    assert outputs[0].shape[1] == special + 4, "every patch is there"
    last = model(pixel_values=torch.rand(1, 3, 28, 28), output_hidden_states=True)
    assert not torch.allclose(last.hidden_states[-1], last.last_hidden_state), "the norm comes after what is read"
