"""ModelNet40 in its three usual copies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from opendlign_core.articles import article
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.listing import Listing, label_at, stem, warn_of_gaps
from opendlign_core.ingestion.adapters.spec import Adapter, Found
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.labels import plain_label
from opendlign_core.ingestion.list_reader import ListReader
from opendlign_core.ingestion.recipe import SourceSpec

LICENCE = "ModelNet: research use only"


def _off_tree(source: SourceSpec, files: Files) -> Iterator[Found]:
    for key, found in Listing(files).match(r"(?P<label>[^/]+)/(?P<split>train|test)/(?P<name>[^/]+)\.off"):
        label = plain_label(found["label"])
        yield Found(found["name"], found["split"], label, key, caption=article(label))


def h5_packs(listing: Listing, label_of: Callable[[int, str], str]) -> Iterator[Found]:
    """Rows of `ply_data_<split><n>.h5`, or of the packs that the `*_files.txt` lists name.

    `label_of` names the integer label of a row, given also the key of its pack.
    """
    with ListReader() as reader:
        for split, key in _pack_keys(listing):
            for row, index in enumerate(reader.labels(listing.files.local(key), key)):
                label = label_of(index, key)
                yield Found(f"{stem(key)}-{row:05d}", split, label, key, member=row, caption=article(label))


def _pack_keys(listing: Listing) -> Iterator[tuple[str, str]]:
    lists = {m["split"]: key for key, m in listing.match(r"(?P<split>train|val|test)(_hdf5)?_fil(es|e_list)\.txt")}
    if not lists:
        yield from ((m["split"], key) for key, m in listing.match(r"ply_data_(?P<split>train|val|test)_?\d+\.h5"))
        return
    for split in sorted(lists, key=["train", "val", "test"].index):
        # The lists name packs by the path they had inside the authors' repository.
        names = [line.rsplit("/", 1)[-1] for line in listing.lines(lists[split])]
        present = [key for name in names if (key := listing.find(name))]
        warn_of_gaps(len(names), len(present), lists[split])
        yield from ((split, key) for key in present)


def _h5(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing = Listing(files)
    names = [plain_label(line) for line in listing.lines(listing.require("shape_names.txt"))]
    yield from h5_packs(listing, lambda index, key: label_at(names, index, key))


def _resampled(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing = Listing(files)
    classes = source.option("classes", "40")
    names = listing.lines(listing.require(f"modelnet{classes}_shape_names.txt"))
    present = {stem(key): key for key, _ in listing.match(r"[^/]+/[^/]+_\d+\.txt")}
    for split in ("train", "test"):
        listed = listing.lines(listing.require(f"modelnet{classes}_{split}.txt"))
        warn_of_gaps(len(listed), sum(name in present for name in listed), f"modelnet{classes} {split}")
        for name in listed:
            label = re.sub(r"_\d+$", "", name)
            if label not in names:
                raise BadInput(f"modelnet{classes}_{split}.txt names {name!r}, whose class is not in the shape names")
            if name in present:
                words = plain_label(label)
                yield Found(name, split, words, present[name], caption=article(words))


MODELNET40: Adapter = Adapter(
    name="modelnet40",
    title="ModelNet40 (meshes)",
    layout="<class>/<train|test>/<name>.off",
    split="folder",
    label="folder, underscores as spaces",
    caption="`a <label>`",
    find=_off_tree,
    up_axis="z",
    licence=LICENCE,
)

MODELNET40_H5: Adapter = Adapter(
    name="modelnet40-h5",
    title="modelnet40_ply_hdf5_2048",
    layout="shape_names.txt, train_files.txt and test_files.txt (or ply_data_<split><n>.h5) with data and label",
    split="list file",
    label="`label`, named by shape_names.txt",
    caption="`a <label>`",
    find=_h5,
    up_axis="y",
    licence=LICENCE,
)

MODELNET40_RESAMPLED: Adapter = Adapter(
    name="modelnet40-normal-resampled",
    title="modelnet40_normal_resampled",
    layout="modelnet40_shape_names.txt, modelnet40_train.txt, modelnet40_test.txt and <class>/<class>_<nnnn>.txt",
    split="list file",
    label="name without its number",
    caption="`a <label>`",
    find=_resampled,
    up_axis="y",
    licence=LICENCE,
    options=(("classes", "`40` (default) or `10`"),),
)
