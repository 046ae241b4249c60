"""Contact sheets of a stage's output, for the Prefect UI: a few objects spread evenly over the shards."""

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import Sample
from storage.stores import Store
from tasks.artifacts import publish_picture

if TYPE_CHECKING:
    from PIL.Image import Image

OBJECTS = 12
NAMED_CELL = 10
VIEWS_SHOWN = 5


def publish_clouds(store: Store, manifest: Manifest) -> None:
    """A sheet of clouds seen from the front and above, with their captions."""
    from opendlign_core.pictures import cloud_picture, contact_sheet

    samples = list(spread(store, manifest, OBJECTS))
    if samples:
        colors = [sample.array("colors.npy") if "colors.npy" in sample.fields else None for sample in samples]
        images = [cloud_picture(s.array("points.npy"), color) for s, color in zip(samples, colors, strict=True)]
        sheet = contact_sheet(images, [_title(sample) for sample in samples], columns=4, tile=144, caption_lines=2)
        publish_picture("ingest", "clouds", _jpeg(sheet), "A few ingested objects", "image/jpeg")


def publish_depth(store: Store, manifest: Manifest) -> None:
    """A sheet with one row per object: its first views as depth maps."""
    from opendlign_core.pictures import contact_sheet

    rows = [(_title(sample), _depth_views(sample)) for sample in spread(store, manifest, OBJECTS // 2)]
    if rows:
        images = [view for _, views in rows for view in views]
        captions = [title if place == 0 else "" for title, views in rows for place in range(len(views))]
        sheet = contact_sheet(images, captions, columns=len(rows[0][1]), tile=112)
        publish_picture(
            "project", "depth", _jpeg(sheet), "Depth maps: white is background, black is near", "image/jpeg"
        )


def publish_pairs(store: Store, manifest: Manifest) -> None:
    """A sheet of depth maps, each beside the image painted on it."""
    from opendlign_core.pictures import contact_sheet

    pairs = [(sample, view) for view, sample in enumerate(spread(store, manifest, OBJECTS))]
    if pairs:
        images = [image for sample, view in pairs for image in depth_and_image(sample, view)]
        captions = [text for sample, _ in pairs for text in (_title(sample), sample.json()["label"])]
        sheet = contact_sheet(images, captions, columns=6, tile=112, caption_lines=2)
        publish_picture("synthesize", "pairs", _jpeg(sheet), "Depth maps and the images painted on them", "image/jpeg")


def spread(store: Store, manifest: Manifest, count: int) -> Iterator[Sample]:
    """Up to `count` samples at even distances over the output."""
    places = sorted({place * manifest.samples // count for place in range(count)}) if manifest.samples else []
    with SampleReader(store, manifest) as reader:
        for place in places:
            yield from reader.read(place, place + 1)


def depth_and_image(sample: Sample, view: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The depth map of a view as grey bytes [H, W], and its image [H, W, 3]."""
    from opendlign_core.projection import decode_depth
    from opendlign_core.synthesis import decode_image

    names = sorted(name for name in sample.fields if name[:2].isdigit())
    view %= len(names)
    depth = decode_depth(sample.fields["depth.npy"])[view]
    return (depth * 255).astype(np.uint8), decode_image(sample.fields[names[view]])


def confusion_picture(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> bytes:
    """Shares of each true class (rows) by predicted class (columns) as a PNG; darker is more."""
    from PIL import Image, ImageDraw

    counts = np.asarray(confusion, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = max(4, min(16, 720 // len(classes)))
    margin = 120 if cell >= NAMED_CELL else 4
    squares = np.kron((255 * (1 - shares)).astype(np.uint8), np.ones((cell, cell), np.uint8))
    sheet = Image.new("L", (squares.shape[1] + margin, squares.shape[0] + 4), 255)
    sheet.paste(Image.fromarray(squares), (margin, 2))
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(classes if margin > NAMED_CELL else ()):
        pen.text((margin - 4, 2 + (row + 0.5) * cell), name[:20], fill=0, anchor="rm")
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _depth_views(sample: Sample) -> list[np.ndarray[Any, Any]]:
    from opendlign_core.projection import decode_depth

    depth = decode_depth(sample.fields["depth.npy"])
    return [(view * 255).astype(np.uint8) for view in depth[:: max(1, len(depth) // VIEWS_SHOWN)][:VIEWS_SHOWN]]


def _title(sample: Sample) -> str:
    meta = sample.json()
    return str(meta.get("caption") or meta.get("label") or meta["object_id"])


def _jpeg(sheet: "Image") -> bytes:
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
