"""The embedded data set: the same object every time, recognisable parts, words that match the paint."""

import time
from collections import Counter

import numpy as np
import pytest

from opendlign_core.ingestion import IngestRecipe, SourceSpec, list_entries, procedural_cloud, procedural_entry
from opendlign_core.ingestion.procedural import (
    CATEGORIES,
    LABELS,
    SPLIT_ROUNDS,
    build_object,
    category_parts,
    cloud_of_entry,
    procedural_mesh,
)
from opendlign_core.ingestion.procedural.gallery import PART_COLOURS, gallery, part_gallery
from opendlign_core.ingestion.procedural.paint import COLOURS
from opendlign_core.ingestion.procedural.solid import Solid
from opendlign_core.synthesis.words import read_look

ROUNDS = 8
SEED = 5


def source(**options: str) -> SourceSpec:
    return SourceSpec(adapter="procedural", options=options)


def test_there_are_many_distinct_categories() -> None:
    assert len(CATEGORIES) >= 40
    assert len(set(LABELS)) == len(LABELS)


def test_an_object_depends_on_seed_and_index_alone() -> None:
    first = procedural_cloud(3, 77, 512)
    procedural_cloud(3, 78, 512)
    again = procedural_cloud(3, 77, 512)
    assert first.points.tobytes() == again.points.tobytes()
    assert first.colors is not None
    assert again.colors is not None
    assert first.colors.tobytes() == again.colors.tobytes()
    assert procedural_entry(3, 77) == procedural_entry(3, 77)
    assert not np.array_equal(first.points, procedural_cloud(4, 77, 512).points)


def test_words_do_not_depend_on_how_many_points_are_drawn() -> None:
    few, many = procedural_cloud(0, 5, 100), procedural_cloud(0, 5, 4000)
    assert few.points.shape == (100, 3)
    assert many.points.shape == (4000, 3)
    assert few.points.dtype == np.float32
    assert np.allclose(few.points.min(0), many.points.min(0), atol=0.25 * np.ptp(many.points))


@pytest.mark.parametrize("label", LABELS)
def test_every_object_of_a_category_is_sound(label: str) -> None:
    for index in range(ROUNDS):
        cloud = procedural_cloud(SEED, index, 1024, (label,))
        assert np.isfinite(cloud.points).all()
        extent = np.ptp(cloud.points, axis=0)
        assert extent.min() > 0.01 * extent.max(), "flat"
        assert 0.02 < extent.max() < 30, "not in metres"
        assert cloud.colors is not None
        assert cloud.colors.shape == (1024, 3)
        assert cloud.colors.dtype == np.uint8


@pytest.mark.parametrize("label", LABELS)
def test_captions_name_the_label_and_words_that_the_painter_knows(label: str) -> None:
    captions = set()
    for index in range(ROUNDS):
        built = build_object(SEED, index, (label,))
        assert f"{built.colour} {built.material} " in built.caption
        assert label in built.caption
        assert built.caption.startswith("an " if built.caption.split()[1][0] in "aeiou" else "a ")
        look = read_look(built.caption)
        assert look.material is not None
        assert look.colours
        captions.add(built.caption)
    assert len(captions) > ROUNDS // 2


@pytest.mark.parametrize("label", LABELS)
def test_the_colour_in_the_caption_is_seen_on_the_object(label: str) -> None:
    for index in range(ROUNDS):
        built, cloud = build_object(SEED, index, (label,)), procedural_cloud(SEED, index, 1024, (label,))
        assert cloud.colors is not None
        near = np.abs(cloud.colors.astype(int) - COLOURS[built.colour]).max(1) < 40
        assert near.mean() > 0.04, f"{built.caption}: {near.mean():.2f} of it in that colour"


@pytest.mark.parametrize("label", LABELS)
def test_a_category_has_variety(label: str) -> None:
    proportions = []
    for index in range(ROUNDS):
        extent = np.ptp(build_object(SEED, index, (label,)).solid.vertices, axis=0)
        proportions.append(extent / extent.max())
    assert np.std(proportions, axis=0).max() > 0.02


@pytest.mark.parametrize("label", ["chair", "armchair", "sofa", "bed"])
def test_backs_and_headboards_stand_behind(label: str) -> None:
    for index in range(ROUNDS):
        points = procedural_cloud(SEED, index, 2048, (label,)).points
        top = points[points[:, 1] > np.quantile(points[:, 1], 0.93)]
        assert top[:, 2].mean() < points[:, 2].mean(), f"{label} {index} faces away from +z"


@pytest.mark.parametrize("label", ["car", "truck", "bus", "train", "bicycle", "motorcycle"])
def test_vehicles_point_along_z(label: str) -> None:
    for index in range(ROUNDS):
        extent = np.ptp(build_object(SEED, index, (label,)).solid.vertices, axis=0)
        assert extent[2] > extent[0]


@pytest.mark.parametrize("label", ["chair", "table", "bottle", "lamp", "tree", "house", "ladder", "guitar"])
def test_things_stand_on_the_floor_and_rise_along_y(label: str) -> None:
    for index in range(ROUNDS):
        vertices = build_object(SEED, index, (label,)).solid.vertices
        assert -0.05 < vertices[:, 1].min() / np.ptp(vertices[:, 1]) < 0.1


def test_splits_come_in_fixed_shares_and_share_no_draw() -> None:
    rounds = 2 * len(SPLIT_ROUNDS)
    forms: dict[str, set[bytes]] = {"train": set(), "val": set(), "test": set()}
    for index in range(rounds * 3):
        built = build_object(SEED, index, ("chair", "mug", "car"))
        forms[built.split].add(np.round(built.solid.vertices, 6).tobytes())
    assert sum(map(len, forms.values())) == rounds * 3 == len(set.union(*forms.values()))
    assert {split: len(found) for split, found in forms.items()} == {"train": 42, "val": 6, "test": 12}


def test_leaving_categories_out_keeps_the_others() -> None:
    alone = procedural_cloud(9, 4, 256, ("stool",))
    index = 4 * len(LABELS) + LABELS.index("stool")
    assert alone.points.tobytes() == procedural_cloud(9, index, 256).points.tobytes()


def test_points_lie_on_the_mesh() -> None:
    mesh, cloud = procedural_mesh(1, 0), procedural_cloud(1, 0, 2000)
    assert (cloud.points.min(0) >= mesh.vertices.min(0) - 1e-5).all()
    assert (cloud.points.max(0) <= mesh.vertices.max(0) + 1e-5).all()
    assert mesh.faces.max() < len(mesh.vertices)


def test_unknown_categories_and_negative_indices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown procedural categories \['chiar'\].*armchair"):
        procedural_entry(0, 0, ("chiar",))
    with pytest.raises(ValueError, match="negative"):
        procedural_entry(0, -1)


def test_the_adapter_lists_what_the_options_ask_for() -> None:
    entries = list(list_entries(source(seed="2", objects="120", categories="chair, armchair,stool")))
    assert len(entries) == 120
    assert Counter(entry.label for entry in entries) == {"chair": 40, "armchair": 40, "stool": 40}
    assert Counter(entry.split for entry in entries) == {"train": 84, "val": 12, "test": 24}
    assert len({entry.object_id for entry in entries}) == 120
    assert {entry.up_axis for entry in entries} == {"y"}
    assert all(entry.procedural and entry.unit == "m" and entry.licence == "CC0-1.0" for entry in entries)


def test_splits_limit_and_name_of_the_source_hold() -> None:
    wanted = SourceSpec(adapter="procedural", splits=("test",), limit=7, name="toys", options={"objects": "500"})
    entries = list(list_entries(wanted))
    assert [entry.split for entry in entries] == ["test"] * 7
    assert all(entry.object_id.startswith("toys/") for entry in entries)


def test_the_cloud_of_an_entry_follows_the_recipe() -> None:
    recipe = IngestRecipe(source=source(seed="2", categories="mug,cup"), points=300)
    entry = list(list_entries(recipe.source))[5]
    assert (
        cloud_of_entry(entry, recipe).points.tobytes() == procedural_cloud(2, 5, 300, ("mug", "cup")).points.tobytes()
    )


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match="no option sed; it accepts seed, objects, categories"):
        list(list_entries(source(sed="1")))


def test_a_gallery_shows_every_category() -> None:
    picture = gallery(("mug", "car"), columns=2, tile=48)
    assert picture.width > 2 * 48
    assert np.asarray(picture).std() > 10


def test_describing_an_object_computes_no_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[Solid] = []
    monkeypatch.setattr(Solid, "surface", property(computed.append))
    described = [procedural_entry(0, index) for index in range(2 * len(LABELS))]
    assert len(described) == 2 * len(LABELS)
    assert not computed


def test_generation_is_fast() -> None:
    for index in range(len(LABELS)):
        procedural_cloud(0, index, 2048)
    start = time.process_time()
    for index in range(300):
        procedural_cloud(1, index, 2048)
    assert 300 / (time.process_time() - start) > 150, "fewer than 150 objects per processor second"


@pytest.mark.parametrize("label", LABELS)
def test_every_triangle_and_every_point_belongs_to_a_part_of_its_category(label: str) -> None:
    meshes = [procedural_mesh(5, turn, (label,)) for turn in range(24)]
    found = np.unique(np.concatenate([mesh.parts for mesh in meshes if mesh.parts is not None]))
    assert found.tolist() == list(range(len(category_parts(label)))), "a part without triangles, or one without a name"
    cloud = procedural_cloud(5, 0, 500, (label,))
    assert cloud.part_names == category_parts(label)
    assert cloud.parts is not None
    assert set(cloud.parts) <= set(found.tolist())


def test_most_categories_have_parts_to_tell_apart() -> None:
    assert sum(len(category_parts(label)) > 1 for label in LABELS) >= 40


def test_parts_lie_where_their_words_say() -> None:
    def height(label: str, part: str) -> float:
        cloud = procedural_cloud(5, 3, 2000, (label,))
        return float(cloud.points[cloud.parts == cloud.part_names.index(part), 1].mean())

    assert height("chair", "leg") < height("chair", "seat") < height("chair", "back")
    assert height("table", "leg") < height("table", "top")
    assert height("car", "wheel") < height("car", "body")
    assert height("tree", "trunk") < height("tree", "leaves")
    assert height("umbrella", "handle") < height("umbrella", "pole") < height("umbrella", "canopy")


def test_the_palette_has_a_colour_for_every_part() -> None:
    assert max(len(category_parts(label)) for label in LABELS) <= len(PART_COLOURS)
    assert sum(len(category_parts(label)) > 1 for label in LABELS) >= 40


def test_the_gallery_of_parts_shows_them_in_their_colours() -> None:
    picture = np.asarray(part_gallery(("mug",), turn=3)).reshape(-1, 3)
    blue, orange = ((picture == colour).all(1).any() for colour in PART_COLOURS[:2])
    assert blue and orange
