"""One's own data: a folder per label, and OpenDlign's folders of depth maps."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from opendlign_core.articles import article
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.listing import Listing, stem
from opendlign_core.ingestion.adapters.selection import SELECTION_OPTIONS, listed_parts, select
from opendlign_core.ingestion.adapters.spec import Adapter, Found
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.labels import SHAPENET_SYNSETS, plain_label
from opendlign_core.ingestion.recipe import SourceSpec
from opendlign_core.ingestion.unread import DRAWINGS, MODELS

_log = logging.getLogger(__name__)

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test", "eval": "test",
}  # fmt: skip

_NOT_ALONE = {".txt", ".csv", ".asc"}
"""Suffixes that are notes more often than shapes where no label folder holds them."""
_NEVER = {".json", ".zip", ".gz", ".bz2"}


def _folder(source: SourceSpec, files: Files) -> Iterable[Found]:
    return select(source, _walk(source, files))


def _walk(source: SourceSpec, files: Files) -> Iterator[Found]:
    suffixes, unread = _suffixes(source), Counter[str]()
    for key in files.list():
        path = PurePosixPath(key)
        unread.update({path.suffix.lower()} & (MODELS | DRAWINGS))
        if path.suffix.lower() not in suffixes or (len(path.parts) == 1 and path.suffix.lower() in _NOT_ALONE):
            continue
        split, label, rest = _placed(path.parts)
        words = plain_label(label)
        name = "/".join(part for part in (split, label, rest) if part)
        yield Found(name, split, words, key, caption=article(words))
    if unread:
        counted = ", ".join(f"{count} {suffix}" for suffix, count in sorted(unread.items()))
        _log.warning("%s at %s left out: no reader takes them; export them as .glb, .obj or .ply", counted, source.url)


def _suffixes(source: SourceSpec) -> set[str]:
    from opendlign_core.ingestion.readers import SUFFIXES

    given = [f".{suffix.strip().lstrip('.').lower()}" for suffix in source.option("suffixes", "").split(",") if suffix]
    unknown = set(given) - set(SUFFIXES)
    if unknown:
        raise BadInput(
            f"no reader for {', '.join(sorted(unknown))}; there are readers for {', '.join(sorted(SUFFIXES))}"
        )
    return set(given) or set(SUFFIXES) - _NEVER


def _placed(parts: tuple[str, ...]) -> tuple[str, str, str]:
    """Split, label and the rest of a path; a first folder called train, val or test is the split."""
    split = SPLIT_FOLDERS.get(parts[0].lower(), "") if len(parts) >= 3 else ""
    inner = parts[1:] if split else parts
    label = inner[0] if len(inner) > 1 else ""
    return split, label, "/".join(inner[1:] if label else inner)


def _depth_maps(source: SourceSpec, files: Files) -> Iterator[Found]:
    for key, found in Listing(files).match(r"depth_map/(?:[^/]+/)*(?P<stem>[^/]+)_dm\.npy"):
        name, plus, label = found["stem"].partition("+")
        words = plain_label(label) if plus else SHAPENET_SYNSETS.get(name[:8], "")
        yield Found(stem(key).removesuffix("_dm"), "test" if plus else "train", words, key, caption=article(words))


FOLDER: Adapter = Adapter(
    name="folder",
    title="folder of shapes",
    layout="<label>/<name>.<ext>, or <train|val|test>/<label>/<name>.<ext>, or <name>.<ext> without labels",
    split="folder, else the option `split`",
    label="folder, underscores as spaces",
    caption="`a <label>`",
    find=_folder,
    options=(
        ("suffixes", "comma-separated suffixes to take; all that have a reader when left out"),
        *SELECTION_OPTIONS,
    ),
    parts=listed_parts,
)

OPENDLIGN: Adapter = Adapter(
    name="opendlign",
    title="OpenDlign depth maps",
    layout="depth_map/<id>+<label>_dm.npy (evaluation) or depth_map/<id>_dm.npy (training)",
    split="`test` with a label in the name, else `train`",
    label="after the plus sign, else ShapeNet's synset",
    caption="`a <label>`",
    find=_depth_maps,
    licence="as the shapes they were made from",
)
