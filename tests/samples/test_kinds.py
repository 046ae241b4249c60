"""Every kind of sample through its fields and back, byte for byte."""

import io
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from opendlign_core.boxes import Boxes
from opendlign_core.camera import Pose
from opendlign_core.samples import (
    CadReference,
    Cloud,
    CloudMeta,
    DepthMaps,
    DepthMeta,
    GateScore,
    ImageEmbedding,
    ImageRecipe,
    Painted,
    PaintedMeta,
    PhotoMeta,
    PosedPhoto,
    Scene,
    SceneMeta,
    TokenEntry,
    TypedSample,
    WrongSample,
    encode_array,
    encode_image,
    encode_json,
    object_id,
    read_meta,
    sample_key,
)

RNG = np.random.default_rng(5)
CHAIR = CloudMeta(
    object_id="toys/chair.1", source="toys", split="train", label="chair", caption="a chair", licence="CC0-1.0",
    uri="chairs.npz#3", digest="ab" * 32, points=9000, padded=False, up_axis="z", unit="m",
)  # fmt: skip
POINTS = RNG.random((5, 3), np.float32)
MAPS = RNG.random((2, 8, 8), np.float32)
PICTURES = RNG.integers(0, 256, (2, 8, 8, 3), np.uint8)
SCORE = GateScore(brightness=0.5, variation=0.25, edge_agreement=0.75)

DEPTH = DepthMaps.of(CHAIR, MAPS)
PAINTED = Painted(
    PaintedMeta.of(DEPTH.meta, prompts=("a", "b"), seeds=(1, 2**63 - 1), gate=(SCORE, SCORE), attempts=(1, 2)),
    DEPTH.encoded,
    tuple(encode_image(picture, ImageRecipe(format="png")) for picture in PICTURES),
    "png",
)
SAMPLES: dict[str, TypedSample[Any]] = {
    "bare cloud": Cloud(CHAIR, POINTS),
    "cloud": Cloud(
        CHAIR, POINTS, (POINTS * 255).astype(np.uint8), np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]],
        np.arange(5, dtype=np.int32),
    ),
    "depth maps": DEPTH,
    "painted": PAINTED,
    "tokens": TokenEntry(CHAIR.who(), np.arange(24, dtype=np.uint16).reshape(2, 3, 4), MAPS[:, :2, :4], POINTS[0]),
    "embedding": ImageEmbedding(CHAIR.who(), MAPS[0], MAPS[0, 0]),
    "bare scene": Scene(SceneMeta.of(CHAIR.who(), licence="CC0-1.0"), POINTS, Boxes.of(POINTS[:0], POINTS[:0])),
    "scene": Scene(
        SceneMeta.of(CHAIR.who(), things=("chair", "lamp")), POINTS, Boxes.of(POINTS[:2], POINTS[2:4]),
        (POINTS * 255).astype(np.uint8), np.array([0, 1, 2, 2, 1], np.int32),
        Boxes.of(POINTS[:2], POINTS[2:4], [0.5, -1]),
    ),
    "photo": PosedPhoto(
        PhotoMeta.of(
            CHAIR.who(), height=8, width=8, shown=(0, 8, 1, 7), box=(0.5, 1, 9, 7), status="status_good", dense=False,
            pose=Pose(azimuth=6, elevation=-0.5, theta=0.25, distance=4, px=4, py=4.5, viewport=3000), scale=0.75,
            cad=CadReference(uri="CAD/chair/01.off", digest="cd" * 32, number=1),
        ),
        encode_image(PICTURES[0], ImageRecipe(format="jpeg")),
        "jpg",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_read_is_written_again_byte_for_byte(name: str) -> None:
    sample = SAMPLES[name]
    fields = sample.fields()
    again = type(sample).read(sample.key, fields)
    assert again.fields() == fields
    assert again.meta == sample.meta
    assert again.key == "toys%2Fchair%2E1"


def test_a_cloud_keeps_what_it_has_beside_its_points() -> None:
    there = Cloud.read(sample_key("toys/chair.1"), SAMPLES["cloud"].fields())
    assert np.array_equal(there.points, POINTS)
    assert there.parts is not None
    assert there.parts.tolist() == [0, 1, 2, 3, 4]
    bare = Cloud.read(sample_key("toys/chair.1"), SAMPLES["bare cloud"].fields())
    assert (bare.colors, bare.normals, bare.parts) == (None, None, None)
    assert sorted(SAMPLES["bare cloud"].fields()) == ["json", "points.npy"]


def test_the_json_says_what_was_said_and_nothing_else() -> None:
    assert json.loads(SAMPLES["bare cloud"].fields()["json"]) == {
        "object_id": "toys/chair.1", "source": "toys", "split": "train", "label": "chair", "caption": "a chair",
        "licence": "CC0-1.0", "uri": "chairs.npz#3", "digest": "ab" * 32, "points": 9000, "padded": False,
        "up_axis": "z", "unit": "m",
    }  # fmt: skip
    painted = json.loads(PAINTED.fields()["json"])
    assert painted["gate"] == [{"brightness": 0.5, "variation": 0.25, "edge_agreement": 0.75}] * 2
    assert (painted["views"], painted["size"], painted["seeds"][1]) == (2, 8, 2**63 - 1)
    assert sorted(json.loads(SAMPLES["tokens"].fields()["json"])) == [
        "caption", "label", "object_id", "source", "split",
    ]  # fmt: skip


def test_fields_of_others_travel_along() -> None:
    fields = {**DEPTH.fields(), "json": encode_json({**DEPTH.meta.as_dict(), "wear": {"level": None}})}
    meta = DepthMaps.read(DEPTH.key, fields).meta
    assert PaintedMeta.of(meta, prompts=("p",)).as_dict()["wear"] == {"level": None}
    assert "seeds" not in PaintedMeta.of(meta).as_dict()


def test_images_and_maps_come_back() -> None:
    there = Painted.read(PAINTED.key, PAINTED.fields())
    assert np.array_equal(there.pictures(), PICTURES)
    assert np.array_equal(there.picture(1), PICTURES[1])
    assert np.abs(there.maps() - MAPS).max() <= 1 / 131070 + 1e-9
    assert there.extension == "png"


def test_views_are_ordered_by_number_beyond_a_hundred() -> None:
    meta = PaintedMeta.of(PAINTED.meta, views=110)
    many = Painted(meta, PAINTED.encoded_depth, PAINTED.images * 55, "png")
    assert Painted.read(many.key, many.fields()).images == many.images


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (Cloud, {"points.npy": None}, r"toys/chair\.1: no points\.npy among json"),
        (Cloud, {"points.npy": b"nothing"}, r"toys/chair\.1: points\.npy: "),
        (Cloud, {"points.npy": b""}, r"points\.npy: these bytes are no \.npy file"),
        (Cloud, {"points.npy": encode_array(np.zeros((4, 2)))}, r"points has the shape \[4, 2\]"),
        (Cloud, {"colors.npy": encode_array(np.zeros((4, 3)))}, r"colors has the shape \[4, 3\].* 5 points"),
        (Cloud, {"parts.npy": encode_array(np.zeros((5, 1)))}, r"parts has the shape \[5, 1\]"),
        (Cloud, {"json": None}, "no json among"),
        (Cloud, {"json": b"{"}, "its json is not a CloudMeta"),
        (
            Cloud,
            {"json": encode_json({"object_id": "toys/chair.1", "split": "a"})},
            "source: Field required",
        ),
        (
            Cloud,
            {"json": encode_json({**CHAIR.as_dict(), "object_id": "toys/other"})},
            "holds the object",
        ),
        (DepthMaps, {"json": encode_json(CHAIR.as_dict())}, "DepthMeta: views: Field required"),
        (Painted, {"01.png": None}, "expected 2 images 00, 01"),
        (Painted, {"00.png": None}, "expected 2 images 00, 01"),
        (Painted, {"01.png": None, "01.jpg": b""}, "of one format"),
        (TokenEntry, {"target.npy": None}, "no target.npy"),
    ],
)
def test_other_bytes_are_refused_by_name(
    kind: type[TypedSample[Any]], changes: dict[str, bytes | None], said: str
) -> None:
    whole = next(sample for sample in SAMPLES.values() if type(sample) is kind)
    changed = {**whole.fields(), **changes}
    fields = {extension: content for extension, content in changed.items() if content is not None}
    with pytest.raises(WrongSample, match=said):
        kind.read(whole.key, fields)


def test_pickled_arrays_are_refused() -> None:
    hostile = io.BytesIO()
    np.save(hostile, np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(WrongSample, match="Object arrays cannot be loaded"):
        Cloud.read(DEPTH.key, {**SAMPLES["bare cloud"].fields(), "points.npy": hostile.getvalue()})


def test_who_a_sample_is_can_be_read_alone() -> None:
    assert read_meta(DEPTH.key, {"json": DEPTH.fields()["json"]}, DepthMeta).views == 2
    assert read_meta(DEPTH.key, {"json": DEPTH.fields()["json"]}).split == "train"


def test_samples_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        PAINTED.extension = "jpg"  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        CHAIR.label = "stool"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["toys/chair.v2", "a/b~c%2F", "möbel/椅子", "x/" + "\udcff"])
def test_keys_are_tar_safe_and_reversible(name: str) -> None:
    key = sample_key(name)
    assert object_id(key) == name
    assert not set(key) & set("./~")


def test_the_room_is_free_of_torch() -> None:
    code = (
        "import sys, opendlign_core.samples as samples; [getattr(samples, name) for name in samples.__all__];"
        "assert not {'torch', 'prefect', 'storage'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_scene_keeps_its_things_and_refuses_what_does_not_belong_together() -> None:
    there = Scene.read(sample_key("toys/chair.1"), SAMPLES["scene"].fields())
    assert there.meta.things == ("chair", "lamp")
    assert there.whole is not None and there.whole.yaws.tolist() == [0.5, -1]
    assert there.instances is not None and there.instances.tolist() == [0, 1, 2, 2, 1]
    none, two = Boxes.of(POINTS[:0], POINTS[:0]), Boxes.of(POINTS[:2], POINTS[2:4])
    meta = SceneMeta.of(CHAIR.who())
    for wrong, told in (
        ({"boxes": two}, "2 boxes for 0 things"),
        ({"boxes": none, "whole": two}, "2 boxes for 0 things"),
        ({"boxes": none, "colors": np.zeros((4, 3), np.uint8)}, "colors has the shape"),
        ({"boxes": none, "instances": np.ones(5, np.int32)}, "none of its 0 things"),
    ):
        with pytest.raises(WrongSample, match=told):
            Scene(meta, POINTS, **wrong)
    with pytest.raises(WrongSample, match="a row is a centre, a size and a yaw"):
        Scene.read(sample_key("toys/chair.1"), {**SAMPLES["scene"].fields(), "boxes.npy": encode_array(POINTS)})
