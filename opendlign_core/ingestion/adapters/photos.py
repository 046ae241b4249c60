"""Photos with poses: ImageNet3D in both of its layouts, and PASCAL3D+'s tables."""

from __future__ import annotations

import logging
import posixpath
from collections import Counter
from collections.abc import Iterator

from opendlign_core.articles import article
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.listing import Listing, stem
from opendlign_core.ingestion.adapters.spec import Absent, Adapter, Found
from opendlign_core.ingestion.entry import PROCEDURAL
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.labels import plain_label
from opendlign_core.ingestion.posed.folders import BESIDE, PUBLISHED, PhotoFolder
from opendlign_core.ingestion.posed.painted.dataset import photo_names
from opendlign_core.ingestion.posed.tables import table_rows
from opendlign_core.ingestion.recipe import SourceSpec

_log = logging.getLogger(__name__)


def _imagenet3d(source: SourceSpec, files: Files) -> Iterator[Found]:
    folder = PhotoFolder.of(files, source.option("split", "train"))
    wanted = [name.strip() for name in source.option("categories", "").split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in folder.categories]:
        raise BadInput(f"no category {', '.join(unknown)} at {source.url}; there are {', '.join(folder.categories)}")
    if folder.categories and not folder.cads:
        _log.warning("no CADs at %s (CAD/<category>/<number>.off): its photos have poses, but no shapes", source.url)
    unlisted = set(wanted or folder.categories) - {category for category, _ in folder.photos}
    if unlisted:
        _log.warning("%s: no list names photos of %s", source.url, ", ".join(sorted(unlisted)))
    for (category, split), photos in sorted(folder.photos.items()):
        if wanted and category not in wanted:
            continue
        if not photos:
            _log.warning("%s: the list of %s, split %s, is empty", source.url, category, split)
        label, cads = plain_label(category), tuple(folder.cads.get(category, {}).values())
        for photo in photos:
            beside = (photo.annotation, *cads)
            yield Found(f"{category}/{photo.name}", split, label, photo.image, caption=article(label), beside=beside)


def _tables(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing, seen = Listing(files), Counter[str]()
    tables = [key for key in listing.keys if key.endswith(".csv")]
    if not tables:
        raise Absent("a .csv file")
    for key in tables:
        for number, row in enumerate(table_rows(listing.text(key))):
            path = row[0].replace("\\", "/")
            folder = posixpath.basename(posixpath.dirname(path))
            category = folder.removesuffix("_imagenet").removesuffix("_pascal")
            name = f"{category}/{stem(path)}"
            seen[name] += 1
            named = name if seen[name] == 1 else f"{name}-{seen[name]}"
            label = plain_label(category)
            uri = listing.find(path) or path
            yield Found(named, stem(key), label, uri, number, article(label), beside=(key,))


def _painted(source: SourceSpec, files: Files) -> Iterator[Found]:
    for named in photo_names(source):
        name, uri = f"{named.category}/{named.name}", f"{PROCEDURAL}{named.index}"
        yield Found(name, named.split, named.label, uri, caption=article(named.label))


IMAGENET3D: Adapter = Adapter(
    name="imagenet3d",
    title="ImageNet3D",
    layout=f"{PUBLISHED}, CAD/<category>/<number>.off; or {BESIDE}",
    split="list file; else the option `split`",
    label="folder, underscores as spaces",
    caption="`a <label>`",
    find=_imagenet3d,
    up_axis="z",
    licence="CC-BY-NC-4.0; photos under the terms of ImageNet",
    options=(
        ("categories", "comma-separated folders to take; all when left out"),
        ("split", "of photos that no list names; `train` when left out"),
    ),
    holds="photos",
)

PASCAL3D_TABLE: Adapter = Adapter(
    name="pascal3d-table",
    title="PASCAL3D+ as tables",
    layout="<split>.csv with rows of path, box, class, azimuth, elevation and rotation in degrees, and the photos",
    split="name of the table",
    label="folder, without `_imagenet` or `_pascal`",
    caption="`a <label>`",
    find=_tables,
    up_axis="z",
    licence="PASCAL3D+: research use only",
    holds="photos",
)

PAINTED_PHOTOS: Adapter = Adapter(
    name="painted-photos",
    title="embedded painted photos of procedural shapes",
    layout="no files: photos, poses and CADs are generated from (seed, index)",
    split="by CAD: 70% train, 10% val, 20% test",
    label="category",
    caption="`a <label>`",
    find=_painted,
    up_axis="z",
    licence="CC0-1.0",
    options=(
        ("seed", "`0` when left out"),
        ("photos", "photos of all splits together; `1600` when left out"),
        ("cads", "CADs of each category; `20` when left out"),
        ("categories", "comma-separated labels; when left out, 16 that look another from every side"),
    ),
    holds="photos",
    generated=True,
)
