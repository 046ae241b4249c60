"""Scenes: ScanNet as it comes and as VoteNet prepares it, SUN RGB-D likewise, and scans of one's own."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.listing import Listing, warn_of_gaps
from opendlign_core.ingestion.adapters.spec import Adapter, Found
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.recipe import SourceSpec

_log = logging.getLogger(__name__)

SCAN = r"scene\d{4}_\d\d"
SCANNET_TABLE = "scannetv2-labels.combined.tsv"
SCANNET_LISTS = {split: f"scannetv2_{split}.txt" for split in ("train", "val", "test")}
SUNRGBD_LISTS = {"train": "train_data_idx.txt", "val": "val_data_idx.txt"}
SUFFIXES = (
    ".ply", ".pcd", ".glb", ".gltf", ".las", ".laz", ".obj", ".off", ".stl", ".dae", ".3mf", ".xyz", ".pts", ".asc",
    ".npy", ".npz",
)  # fmt: skip
"""Of scans of one's own; tables and archives beside them are mostly something else."""

_ALL_THINGS = ("things", "`all` takes every annotated thing by its own label; the benchmark's classes when left out")
_SPLIT = ("split", "split of scans that no list names; `train` when left out")


def _scannet(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing = Listing(files)
    table, splits = listing.require(SCANNET_TABLE), _splits(listing, SCANNET_LISTS, str)
    folders = {found["scan"]: found["folder"] for _, found in _of_scans(listing)}
    _warn(splits, folders, "ScanNet")
    for scan in sorted(folders):
        stem, split = f"{folders[scan]}{scan}/{scan}", splits.get(scan, source.option("split", "train"))
        labels = (f"{stem}.aggregation.json", f"{stem}_vh_clean_2.0.010000.segs.json", table)
        # Nobody outside has the labels of the test split.
        beside = (f"{stem}.txt", *(() if split == "test" else labels))
        yield Found(scan, split, "", f"{stem}_vh_clean_2.ply", beside=beside)


def _of_scans(listing: Listing) -> Iterator[tuple[str, re.Match[str]]]:
    """Any file of a scan tells that it is meant to be there."""
    pattern = re.compile(rf"^(?P<folder>(?:.*/)?)(?P<scan>{SCAN})/(?P=scan)[._][^/]*$")
    return ((key, found) for key in listing.keys if (found := pattern.search(key)))


def _votenet(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing = Listing(files)
    splits = _splits(listing, SCANNET_LISTS, str)
    found = {match["scan"]: key for key, match in listing.match(rf"(?P<scan>{SCAN})_vert(?:_all)?\.npy")}
    _warn(splits, found, "ScanNet for VoteNet")
    for scan in sorted(found):
        stem, ending = found[scan].rsplit("_vert", 1)
        kinds = [f"{stem}_{kind}{ending}" for kind in ("ins_label", "sem_label")]
        aligned = [f"{stem}_{kind}.npy" for kind in ("aligned_bbox", "axis_align_matrix")]
        boxes = aligned if aligned[0] in listing.keys else [f"{stem}_bbox.npy"]
        yield Found(scan, splits.get(scan, source.option("split", "train")), "", found[scan], beside=(*kinds, *boxes))


def _sunrgbd(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing = Listing(files)
    splits = _splits(listing, SUNRGBD_LISTS, lambda line: f"{int(line):06d}")
    prepared = r"(?P<folder>[^/]*_(?P<split>train|val))/(?P<scan>\d{6})_pc\.npz"
    for key, found in listing.match(prepared):
        yield Found(found["scan"], found["split"], "", key, beside=(key.replace("_pc.npz", "_bbox.npy"),))
    for key, found in listing.match(r"(?P<folder>depth|lidar)/(?P<scan>\d{6})\.(?:mat|npz)"):
        root = str(PurePosixPath(key).parent.parent).removeprefix(".")
        label = f"{root}/label_v1/{found['scan']}.txt".lstrip("/")
        split = splits.get(found["scan"], source.option("split", "train"))
        yield Found(found["scan"], split, "", key, beside=(label,))


def _scans(source: SourceSpec, files: Files) -> Iterator[Found]:
    from opendlign_core.ingestion.readers import SUFFIXES as READABLE

    left_out: Counter[str] = Counter()
    for key in Listing(files).keys:
        path = PurePosixPath(key)
        if path.suffix.lower() in SUFFIXES:
            yield Found(str(path.with_suffix("")), source.option("split", "test"), "", key)
        else:
            left_out.update({path.suffix.lower()} & READABLE)
    if left_out:
        counted = ", ".join(f"{count} {suffix}" for suffix, count in sorted(left_out.items()))
        _log.warning("%s at %s left out: no scans; export those that are as .ply or .npy", counted, source.url)


def _splits(listing: Listing, lists: Mapping[str, str], name: Callable[[str], str]) -> dict[str, str]:
    """Scan -> split, by the lists that are there."""
    found = {split: key for split, file in lists.items() if (key := listing.find(file))}
    try:
        return {name(line): split for split, key in found.items() for line in listing.lines(key)}
    except ValueError as error:
        raise BadInput(f"{', '.join(found.values())}: a line is no number of a scan ({error})") from error


def _warn(splits: Mapping[str, str], found: Mapping[str, object], what: str) -> None:
    warn_of_gaps(len(splits), sum(scan in found for scan in splits), what)


SCANNET: Adapter = Adapter(
    name="scannet",
    title="ScanNet",
    layout="in <scan>/: <scan>_vh_clean_2.ply, <scan>.aggregation.json, <scan>_vh_clean_2.0.010000.segs.json,"
    f" <scan>.txt; {SCANNET_TABLE}; scannetv2_<train|val|test>.txt if there",
    split="list file, else option `split`",
    label="none; every thing has its own",
    caption="none",
    find=_scannet,
    up_axis="z",
    unit="m",
    licence="ScanNet terms of use: research only",
    options=(_ALL_THINGS, _SPLIT),
    holds="scenes",
)

SCANNET_VOTENET: Adapter = Adapter(
    name="scannet-votenet",
    title="ScanNet as VoteNet and mmdetection3d prepare it",
    layout="<scan>_vert.npy, <scan>_ins_label.npy, <scan>_sem_label.npy (or each with _all), <scan>_bbox.npy (or"
    " <scan>_aligned_bbox.npy and <scan>_axis_align_matrix.npy); scannetv2_<train|val|test>.txt if there",
    split="list file, else option `split`",
    label="none; every thing has its own",
    caption="none",
    find=_votenet,
    up_axis="z",
    unit="m",
    licence="ScanNet terms of use: research only",
    options=(_SPLIT,),
    holds="scenes",
)

SUNRGBD_SCENES: Adapter = Adapter(
    name="sunrgbd",
    title="SUN RGB-D",
    layout="<folder>_<train|val>/<number>_pc.npz and <number>_bbox.npy as VoteNet prepares them, or"
    " <depth|lidar>/<number>.<mat|npz> and label_v1/<number>.txt; <train|val>_data_idx.txt if there",
    split="folder or list file, else option `split`",
    label="none; every thing has its own",
    caption="none",
    find=_sunrgbd,
    up_axis="z",
    unit="m",
    licence="SUN RGB-D: research only",
    options=(_ALL_THINGS, _SPLIT),
    holds="scenes",
)

SCANS: Adapter = Adapter(
    name="scans",
    title="folder of scans",
    layout=f"<name>.<ext> ({' '.join(SUFFIXES)})",
    split="option `split`",
    label="none: nobody has named what stands there",
    caption="none",
    find=_scans,
    options=(("split", "`test` when left out"),),
    holds="scenes",
)
