"""One's own data: a folder per label, and OpenDlign's folders of depth maps."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from opendlign_core.articles import article
from opendlign_core.ingestion.adapters.folder_files import FolderFiles
from opendlign_core.ingestion.adapters.listing import Listing, stem
from opendlign_core.ingestion.adapters.selection import SELECTION_OPTIONS, listed_parts, select
from opendlign_core.ingestion.adapters.spec import Adapter, Found
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.labels import SHAPENET_SYNSETS, plain_label
from opendlign_core.ingestion.recipe import SourceSpec

_log = logging.getLogger(__name__)

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test", "eval": "test",
}  # fmt: skip


def _folder(source: SourceSpec, files: Files) -> Iterable[Found]:
    return select(source, _walk(source, files))


def _walk(source: SourceSpec, files: Files) -> Iterator[Found]:
    inside = FolderFiles(source, files)
    for key, member in inside.objects():
        path = PurePosixPath(key)
        # The folders of an archive go on where those around it end; its own name keeps its members apart from others.
        split, label, rest = _placed(
            path.parts if member is None else (*path.parts[:-1], *PurePosixPath(member).parts)
        )
        words = plain_label(label)
        name = "/".join(part for part in (split, label, "" if member is None else path.name, rest) if part)
        yield Found(name, split, words, key, member, caption=article(words))
    if inside.left_out:
        counted = ", ".join(f"{count} {suffix}" for suffix, count in sorted(inside.left_out.items()))
        _log.warning("%s at %s left out: no reader takes them; export them as .glb, .obj or .ply", counted, source.url)


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
        ("suffixes", "comma-separated suffixes to take; all that have a reader but .json when left out"),
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
