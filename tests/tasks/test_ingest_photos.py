"""Photos with poses through the ingest stage: embedded ones, the same as published files, and broken ones."""

from pathlib import Path

import numpy as np
import pytest

from opendlign_core.ingestion import IngestExecution, IngestRecipe, SourceSpec
from opendlign_core.ingestion.posed.painted.cads import POSED
from opendlign_core.ingestion.posed.painted.dataset import write_published
from opendlign_core.ingestion.posed.recipe import CropRecipe, PhotoReading
from opendlign_core.projection import RECIPES
from opendlign_core.projection.layers import seen_depth
from opendlign_core.samples import PosedPhoto
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.ingest import INGEST, counts_table
from tasks.pictures import shard_cads
from tasks.project import PROJECT
from tests.ingestion.posed.folders import CUBE, annotated, annotation_bytes, photo_bytes, put, write_folder
from tests.tasks.board import Board
from tests.tasks.making import make

SMALL = PhotoReading(crop=CropRecipe(height=96, width=96, distance=20.0))
PHOTOS = 40


def painted(photos: int) -> SourceSpec:
    return SourceSpec(adapter="painted-photos", name="painted", options={"photos": str(photos)})


def ingested(store: Store, source: SourceSpec, share: float = 0.0) -> Manifest:
    recipe = IngestRecipe(source=source, photo=SMALL, shard_size=80)
    return make(INGEST, store, recipe, execution=IngestExecution(workers=2, max_rejected_share=share))


def samples(store: Store, manifest: Manifest) -> dict[str, PosedPhoto]:
    with SampleReader(store, manifest) as reader:
        found = [PosedPhoto.read(sample.key, sample.fields) for sample in reader]
    return {photo.meta.object_id: photo for photo in found}


def rejected(manifest: Manifest) -> dict[str, str]:
    return {one.id: one.reason for record in manifest.shards for one in record.rejected}


@pytest.fixture(scope="module")
def embedded(shared: Store) -> Manifest:
    return ingested(shared, painted(PHOTOS))


@pytest.mark.parametrize("photos", [PHOTOS, pytest.param(200, marks=pytest.mark.slow)])
def test_embedded_photos_come_through_the_published_layout_without_loss(
    shared: Store, photos: int, tmp_path: Path
) -> None:
    embedded = ingested(shared, painted(photos))
    assert len(list(write_published(painted(photos), tmp_path))) == photos
    read = ingested(shared, SourceSpec(adapter="imagenet3d", name="painted", url=str(tmp_path)))
    theirs, ours = samples(shared, embedded), samples(shared, read)
    assert len(ours) == len(theirs) > photos  # some photos show two objects
    for name, photo in theirs.items():
        again = ours[name]
        assert again.encoded == photo.encoded
        said = {"uri", "cad", "licence"}
        assert again.meta.model_dump(exclude=said) == photo.meta.model_dump(exclude=said)
        assert photo.meta.cad and again.meta.cad
        assert (again.meta.cad.digest, again.meta.cad.number) == (photo.meta.cad.digest, photo.meta.cad.number)
    assert shard_cads(shared, read).keys() == shard_cads(shared, embedded).keys()


def test_photos_show_their_cads_where_their_poses_say(shared: Store, embedded: Manifest) -> None:
    """Of well-seen objects the silhouette of the CAD fills the box of the annotator."""
    cads, checked = shard_cads(shared, embedded), 0
    for photo in list(samples(shared, embedded).values())[:40]:
        left, top, right, bottom = photo.meta.box
        first, last, start, end = photo.meta.shown
        if not (first + 2 < top and bottom < last - 2 and start + 2 < left and right < end - 2):
            continue  # its box ends where its photo ends
        assert photo.meta.cad
        cad = cads[photo.meta.cad.digest]
        fine = {name: 4 * getattr(photo.meta.pose, name) for name in ("px", "py", "viewport")}
        pose = photo.meta.pose.model_copy(update=fine)
        shape = seen_depth(cad.vertices, cad.faces, [pose], (384, 384))[0].isfinite().numpy()
        rows, columns = np.flatnonzero(shape.any(1)), np.flatnonzero(shape.any(0))
        found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        np.testing.assert_allclose(np.array(found) / 4, photo.meta.box, atol=1)
        checked += 1
    assert checked >= 10


def test_no_shape_is_in_two_splits_and_every_kind_looks_another_from_behind(shared: Store, embedded: Manifest) -> None:
    splits: dict[tuple[str, str], set[str]] = {}
    for photo in samples(shared, embedded).values():
        assert photo.meta.cad
        splits.setdefault((photo.meta.label, photo.meta.cad.digest), set()).add(photo.meta.split)
    assert {len(found) for found in splits.values()} == {1}
    assert {split for found in splits.values() for split in found} == {"train", "test"}
    assert {label for label, _ in splits} == set(POSED)
    counts = {(row["by"], row["value"]): row["objects"] for row in counts_table(embedded)}
    assert counts["status", "status_good"] > counts["status", "status_partially"] > 0


def test_the_sheet_shows_photos_with_their_cads(shared: Store, embedded: Manifest) -> None:
    board = Board()
    INGEST.show(shared, embedded, board)
    assert "clouds" in board.pictures
    assert "holds photos" in PROJECT.misfit(RECIPES["opendlign"], {"clouds": [IngestRecipe(source=painted(1))]})


def test_what_is_broken_is_a_row_each(shared: Store, tmp_path: Path) -> None:
    rows = [
        annotated(cad_index=1),
        annotated(cad_index=7),
        annotated(cad_index=2),
        annotated(px=9e6),
        annotated(ignore=1),
    ]
    write_folder(tmp_path, {"n1_1": rows, "n1_2": [annotated()], "n1_3": [annotated()], "n1_4": [annotated()]})
    put(tmp_path, "CAD/mug/02.off", CUBE[:40].encode())
    put(tmp_path, "images/mug/n1_2.JPEG", photo_bytes()[:500])
    (tmp_path / "images/mug/n1_3.JPEG").unlink()
    put(tmp_path, "annotations/mug/n1_4.npz", annotation_bytes([annotated(bbox=Path("/"))]))
    put(tmp_path, "lists/mug_imagenet_val.txt", b"")
    manifest = ingested(shared, SourceSpec(adapter="imagenet3d", url=str(tmp_path)), share=1.0)
    assert set(samples(shared, manifest)) == {"imagenet3d/mug/n1_1_00"}
    reasons = rejected(manifest)
    assert reasons.pop("imagenet3d/mug/n1_1_01") == "has no CAD 07 among 01.off, 02.off"
    assert "its CAD CAD/mug/02.off" in reasons.pop("imagenet3d/mug/n1_1_02")
    assert "too far outside" in reasons.pop("imagenet3d/mug/n1_1_03")
    assert "not a valid photo" in reasons.pop("imagenet3d/mug/n1_2")
    assert "n1_3.JPEG" in reasons.pop("imagenet3d/mug/n1_3")
    assert "PosixPath" in reasons.pop("imagenet3d/mug/n1_4")
    assert not reasons
    assert {"by": "left out", "value": "by annotators", "objects": 1} in counts_table(manifest)


def test_a_changed_annotation_or_cad_makes_another_output(shared: Store, tmp_path: Path) -> None:
    source = SourceSpec(adapter="imagenet3d", url=str(write_folder(tmp_path, {"n1_1": [annotated()]})))
    first = ingested(shared, source)
    put(tmp_path, "annotations/mug/n1_1.npz", annotation_bytes([annotated(theta=0.5)]))
    second = ingested(shared, source)
    put(tmp_path, "CAD/mug/01.off", CUBE.replace("0.3", "0.2").encode())
    third = ingested(shared, source)
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3


def test_tables_give_angles_and_guess_the_rest(shared: Store, tmp_path: Path) -> None:
    header = "imgPath,bboxTLX,bboxTLY,bboxBRX,bboxBRY,imgKeyptX,imgKeyptY,keyptClass,objClass,azimuthClass,e,r\n"
    path = "Images\\mug_imagenet\\n1_1.JPEG"
    rows = [f"{path},30,20,90,70,0,323,2,3", f"{path},1,2,3", f"{path},30,20,30,70,0,1,2,3", f"{path},3,2,9,7,0,a,2,3"]
    put(tmp_path, "val.csv", (header + "\n".join(rows)).encode())
    put(tmp_path, "Images/mug_imagenet/n1_1.JPEG", photo_bytes())
    manifest = ingested(shared, SourceSpec(adapter="pascal3d-table", url=str(tmp_path)), share=1.0)
    (photo,) = samples(shared, manifest).values()
    meta = photo.meta
    assert (meta.object_id, meta.split, meta.label, meta.angles_only) == (
        "pascal3d-table/mug/n1_1_00",
        "val",
        "mug",
        True,
    )
    assert np.degrees([meta.pose.azimuth, meta.pose.elevation, meta.pose.theta]) == pytest.approx([323, 2, 3])
    assert (meta.pose.px, meta.pose.py) == (48, 48)
    assert meta.cad is None
    reasons = list(rejected(manifest).values())
    assert [reason[:24] for reason in reasons] == [
        "has 4 values in its row ",
        "has a box without extent",
        "has angles that are no n",
    ]


def test_tables_of_pascal3d_are_read_whole(data_dir: Path) -> None:
    from opendlign_core.ingestion import list_entries
    from opendlign_core.ingestion.files import DirectoryFiles
    from opendlign_core.ingestion.posed.annotations import Annotation
    from opendlign_core.ingestion.posed.tables import read_row

    folder = data_dir / "pose_annotations/pascal3d_fewshot_csv"
    entries = list(list_entries(SourceSpec(adapter="pascal3d-table", url=str(folder)), DirectoryFiles(folder)))
    assert len(entries) > 10_000
    assert len({entry.label for entry in entries}) == 12
    found = [read_row(folder / "val.csv", int(entry.member or 0)) for entry in entries]
    assert sum(isinstance(one, Annotation) for one in found) >= 0.999 * len(found)
