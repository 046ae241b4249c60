"""One photo into its objects, by the annotation of its data set. Runs inside the parser processes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from opendlign_core.ingestion.entry import PROCEDURAL, ObjectEntry
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.posed.annotations import Annotation, LeftOut, annotation_of, crop_name, read_annotations
from opendlign_core.ingestion.posed.crop import Crop, check_size, plan_crop
from opendlign_core.ingestion.posed.painted.cads import CAD_URI
from opendlign_core.ingestion.posed.painted.dataset import painted
from opendlign_core.ingestion.posed.pixels import read_photo
from opendlign_core.ingestion.posed.published import cropped
from opendlign_core.ingestion.posed.recipe import PhotoReading
from opendlign_core.ingestion.posed.tables import read_row
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.safety import read_bounded
from opendlign_core.samples.images import encode_image
from opendlign_core.samples.meta import PhotoMeta
from opendlign_core.samples.posed_photo import PosedPhoto


@dataclass(frozen=True, eq=False)
class ParsedPhoto:
    """The objects of a photo; their CADs are still to be found."""

    photos: tuple[PosedPhoto, ...]
    cads: tuple[int, ...]
    """The number of each object's CAD; 0 for none."""
    left_out: tuple[LeftOut, ...]


def parse_photo(entry: ObjectEntry, files: Mapping[str, Path], recipe: IngestRecipe) -> ParsedPhoto:
    """The objects of an entry whose files lie there.

    Raises:
        UnreadableShape: the photo or its annotation cannot be read at all.
    """
    if entry.procedural:
        photo = painted(recipe.source, int(entry.uri.removeprefix(PROCEDURAL)))
        rows = [annotation_of(row, number) for number, row in enumerate(photo.rows)]
        return cut_out(entry, photo.jpeg, rows, recipe.photo)
    data = read_bounded(files[entry.uri])
    if entry.member is None:
        found: Sequence[Annotation | LeftOut] = read_annotations(read_bounded(files[entry.beside[0]]))
    else:
        found = [read_row(files[entry.beside[0]], int(entry.member))]
    return cut_out(entry, data, found, recipe.photo)


def cut_out(
    entry: ObjectEntry, data: bytes, found: Sequence[Annotation | LeftOut], reading: PhotoReading
) -> ParsedPhoto:
    """The objects of a photo of these bytes; a broken one costs itself alone.

    Raises:
        UnreadableShape: the bytes are no photo.
    """
    photo, digest = read_photo(data), hashlib.sha256(data).hexdigest()
    photos, cads, left_out = list[PosedPhoto](), list[int](), list[LeftOut]()
    for item in found:
        if isinstance(item, LeftOut):
            left_out.append(item)
            continue
        try:
            check_size(item, photo.height, photo.width)
            crop = plan_crop(item, photo.height, photo.width, reading.crop)
        except UnreadableShape as error:
            left_out.append(LeftOut(item.number, str(error), broken=True))
            continue
        photos.append(_sample(entry, item, crop, photo, digest, reading))
        cads.append(item.cad)
    return ParsedPhoto(tuple(photos), tuple(cads), tuple(left_out))


def _sample(
    entry: ObjectEntry, item: Annotation, crop: Crop, photo: Image.Image, digest: str, reading: PhotoReading
) -> PosedPhoto:
    height, width = crop.size
    meta = PhotoMeta(
        object_id=crop_name(entry.object_id, item.number),
        source=entry.source,
        split=entry.split,
        label=entry.label,
        caption=entry.caption,
        licence=entry.licence,
        uri=entry.uri,
        digest=digest,
        height=height,
        width=width,
        shown=crop.inside.listed(),
        pose=crop.pose if reading.crop.arithmetic == "faithful" else crop.exact_pose,
        angles_only=item.angles_only,
        box=crop.box,
        status=item.status,
        dense=item.dense,
        scale=crop.scale,
    )
    return PosedPhoto(meta, encode_image(cropped(photo, crop, reading.crop), reading.image), reading.image.extension)


def cad_key(entry: ObjectEntry, number: int) -> str:
    """The key of the CAD of that number among the entry's files; empty where its source has none at all.

    Raises:
        UnreadableShape: there are CADs, but not this one.
    """
    if entry.procedural:
        return f"{CAD_URI}{entry.label}/{number}"
    keys = entry.beside[1:]
    found = next((key for key in keys if PurePosixPath(key).stem.isdecimal() and _number(key) == number), "")
    if keys and not found:
        raise UnreadableShape(
            f"has no CAD {number:02d} among {', '.join(PurePosixPath(key).name for key in keys[:12])}"
        )
    return found


def _number(key: str) -> int:
    return int(PurePosixPath(key).stem)
