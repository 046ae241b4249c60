"""Contact sheets of a stage's output, for the Prefect UI: a few objects spread evenly over the shards."""

import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples import (
    CADS,
    CadMesh,
    Cloud,
    DepthMaps,
    Meta,
    Painted,
    PosedPhoto,
    Scene,
    TypedSample,
    decode_cads,
    sample_key,
)
from storage.fetch import Fetcher
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.showcase import MOST_PICTURE_BYTES, Showcase

if TYPE_CHECKING:
    from PIL.Image import Image

S = TypeVar("S", bound=TypedSample[Any])

OBJECTS = 12
PLANS = 4
VIEWS_SHOWN = 5
PAIRS = 3
"""Pairs in the row of a category."""
ROWS = 12
CATEGORIES = 24
QUALITIES = (80, 60, 40, 20)


def show_clouds(store: Store, manifest: Manifest, ui: Showcase) -> None:
    """A sheet of clouds seen from the front and above, with their captions."""
    from opendlign_core.pictures import cloud_picture, contact_sheet

    clouds = list(spread(store, manifest, Cloud, OBJECTS))
    if clouds:
        images = [cloud_picture(cloud.points, cloud.colors) for cloud in clouds]
        sheet = contact_sheet(images, [_title(cloud) for cloud in clouds], columns=4, tile=144, caption_lines=2)
        ui.picture("clouds", _jpeg(sheet), "A few ingested objects", "image/jpeg")


def show_scenes(store: Store, manifest: Manifest, ui: Showcase) -> None:
    """A sheet of scenes seen from above, with their things' boxes."""
    from opendlign_core.evaluation.detection.plan import plan
    from opendlign_core.pictures import contact_sheet

    scenes = list(spread(store, manifest, Scene, PLANS))
    if scenes:
        plans = [plan(scene.points, scene.boxes, scene.meta.things, range(len(scene.boxes)), 420) for scene in scenes]
        images = [np.asarray(picture) for picture in plans]
        sheet = contact_sheet(images, [_title(scene) for scene in scenes], columns=2, tile=420)
        ui.picture("clouds", _jpeg(sheet), "A few ingested scenes from above", "image/jpeg")


def show_photos(store: Store, manifest: Manifest, ui: Showcase) -> None:
    """A sheet of photos, each with its box, and with its CAD shaded over it where it has one."""
    from opendlign_core.pictures import contact_sheet
    from opendlign_core.pictures.wireframe import boxed

    photos = list(spread(store, manifest, PosedPhoto, OBJECTS))
    if photos:
        cads = shard_cads(store, manifest)
        images = [boxed(_overlaid(photo, cads), photo.meta.box) for photo in photos]
        sheet = contact_sheet(images, [_posed_title(photo) for photo in photos], columns=4, tile=200, caption_lines=2)
        ui.picture("clouds", _jpeg(sheet), "A few photos with their CADs at their poses", "image/jpeg")


def _overlaid(photo: PosedPhoto, cads: Mapping[str, CadMesh]) -> NDArray[np.uint8]:
    from opendlign_core.projection.posed_pictures import Cad, shaded_overlay

    cad = cads.get(photo.meta.cad.digest) if photo.meta.cad else None
    if cad is None:
        return photo.picture()
    return shaded_overlay(photo.picture(), Cad(cad.vertices, cad.faces), photo.meta.pose, opacity=0.45)


def shard_cads(store: Store, manifest: Manifest) -> dict[str, CadMesh]:
    """The CADs that lie beside the shards of an ingest output, by their digests."""
    cads: dict[str, CadMesh] = {}
    with Fetcher(store) as fetcher:
        for record in manifest.shards:
            for stored in record.attachments:
                if stored.name == CADS:
                    cads |= decode_cads(fetcher.path(manifest, stored).read_bytes())
    return cads


def _posed_title(photo: PosedPhoto) -> str:
    pose = photo.meta.pose
    azimuth, elevation = (round(float(np.degrees(angle))) for angle in (pose.azimuth, pose.elevation))
    return f"{_title(photo)}: {azimuth % 360}°, {(elevation + 180) % 360 - 180}°"


def show_depth(store: Store, manifest: Manifest, ui: Showcase) -> None:
    """A sheet with one row per object: its first views as depth maps."""
    from opendlign_core.pictures import contact_sheet

    rows = [(_title(depth), _some_views(depth)) for depth in spread(store, manifest, DepthMaps, OBJECTS // 2)]
    if rows:
        images = [view for _, views in rows for view in views]
        captions = [title if index == 0 else "" for title, views in rows for index in range(len(views))]
        sheet = contact_sheet(images, captions, columns=len(rows[0][1]), tile=112)
        ui.picture("depth", _jpeg(sheet), "Depth maps: white is background, black is near", "image/jpeg")


def show_pairs(store: Store, manifest: Manifest, ui: Showcase) -> None:
    """Sheets of depth maps, each beside the image painted on it; a row is a category, the most frequent come first."""
    from opendlign_core.pictures import contact_sheet

    rows = list(by_category(store, manifest, CATEGORIES, PAIRS).items())
    for sheet, start in enumerate(range(0, len(rows), ROWS)):
        images: list[NDArray[np.uint8]] = []
        captions: list[str] = []
        for label, objects in rows[start : start + ROWS]:
            for view in range(PAIRS):
                painted = objects[view % len(objects)]
                images += depth_and_image(painted, view)
                captions += [label or "no category", _title(painted)]
        drawn = contact_sheet(images, captions, columns=2 * PAIRS, tile=112, caption_lines=2)
        name = f"pairs-{sheet + 1}" if sheet else "pairs"
        about = "Depth maps and the images painted on them, by category"
        ui.picture(name, _jpeg(drawn), about, "image/jpeg")


def by_category(store: Store, manifest: Manifest, categories: int, each: int) -> dict[str, list[Painted]]:
    """Up to `each` objects of each of the most frequent categories, read from at most one shard per category."""
    counts: dict[str, int] = manifest.summary.get("labels", {})
    wanted = sorted(counts, key=lambda label: (-counts[label], label))[:categories]
    found: dict[str, list[Painted]] = {label: [] for label in wanted}
    with SampleReader(store, manifest) as reader:
        for record in manifest.shards:
            fresh = [label for label in record.summary.get("labels", {}) if found.get(label) == []]
            for sample in reader.read_shard(record, range(record.samples if fresh else 0)):
                painted = Painted.read(sample.key, sample.fields)
                label = painted.meta.label
                if label in fresh and len(found[label]) < each:
                    found[label].append(painted)
                if all(len(found[label]) >= min(each, record.summary["labels"][label]) for label in fresh):
                    break
    return {label: objects for label, objects in found.items() if objects}


def spread(store: Store, manifest: Manifest, kind: type[S], count: int) -> Iterator[S]:
    """Up to `count` samples at even distances over the output."""
    positions = sorted({index * manifest.samples // count for index in range(count)}) if manifest.samples else []
    with SampleReader(store, manifest) as reader:
        for position in positions:
            yield from (kind.read(sample.key, sample.fields) for sample in reader.read(position, position + 1))


def depth_and_image(painted: Painted, view: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The depth map of a view as grey bytes [S, S], and its image [S, S, 3]."""
    view %= painted.meta.views
    return (painted.maps()[view] * 255).astype(np.uint8), painted.picture(view)


def view_strips(
    store: Store, outputs: Iterable[Manifest], object_ids: Collection[str]
) -> dict[str, NDArray[np.uint8]]:
    """All depth views of these objects in one picture each, found in one pass over the depth maps."""
    wanted = {sample_key(object_id) for object_id in object_ids}
    strips = {}
    for depths in outputs if wanted else ():
        with SampleReader(store, depths) as reader:
            for sample in (sample for sample in reader if sample.key in wanted):
                found = DepthMaps.read(sample.key, sample.fields)
                strips[found.meta.object_id] = views_strip(found.maps())
    return strips


def views_strip(views: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Depth views [V, H, W] side by side, an even number of them in two rows."""
    halves = np.array_split(views, 2) if len(views) % 2 == 0 else [views]
    rows = [np.concatenate(list(half), axis=1) for half in halves]
    return (np.concatenate(rows) * 255).astype(np.uint8)


def _some_views(depth: DepthMaps) -> list[NDArray[np.uint8]]:
    every = max(1, depth.meta.views // VIEWS_SHOWN)
    return [(view * 255).astype(np.uint8) for view in depth.maps()[::every][:VIEWS_SHOWN]]


def _title(sample: TypedSample[Meta]) -> str:
    return sample.meta.words or sample.meta.object_id


def _jpeg(sheet: "Image") -> bytes:
    """The sheet in the best quality that an artifact has room for."""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= MOST_PICTURE_BYTES:
            break
    return buffer.getvalue()
