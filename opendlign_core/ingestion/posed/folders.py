"""Where the photos, annotations, lists and CADs of an ImageNet3D lie, in both of its layouts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.files import Files

PUBLISHED = "images/<category>/<photo>.JPEG, annotations/<category>/<photo>.npz, lists/<category>_imagenet_<split>.txt"
BESIDE = "<category>/<photo>.JPEG with <photo>.npz beside it"
_PICTURES = (".JPEG", ".jpeg", ".jpg", ".JPG", ".png")
_IMAGE = re.compile(r"images/(?P<category>[^/]+)/(?P<name>[^/]+)\.(?:JPE?G|jpe?g|png)$")
_LIST = re.compile(r"lists/(?P<category>[^/]+)_imagenet_(?P<split>[^/_]+)\.txt$")
_ANNOTATION = re.compile(r"(?P<category>[^/]+)/(?P<name>[^/]+)\.npz$")
_CAD = re.compile(r"(?:^|/)CAD/(?P<category>[^/]+)/(?P<number>\d+)\.(?:off|OFF|obj|OBJ)$")


@dataclass(frozen=True)
class Photo:
    """One photo of a category and where its files should be; a list may name files that are not there."""

    category: str
    split: str
    name: str
    image: str
    annotation: str


@dataclass(frozen=True)
class PhotoFolder:
    """A listing of an ImageNet3D folder: its photos by (category, split) in the order of the lists."""

    photos: Mapping[tuple[str, str], tuple[Photo, ...]]
    cads: Mapping[str, Mapping[int, str]]
    """Keys of CADs by category and number."""
    categories: tuple[str, ...]

    @classmethod
    def of(cls, files: Files, split: str = "train") -> "PhotoFolder":
        """Look through a source; photos that no list names, as side by side, are of `split`.

        Empty where neither layout is found.
        """
        keys = list(files.list())
        cads: dict[str, dict[int, str]] = {}
        for key in keys:
            if found := _CAD.search(key):
                cads.setdefault(found["category"], {}).setdefault(int(found["number"]), key)
        photos, categories = _published(keys, files)
        if not categories:
            photos = _side_by_side(keys, split)
            categories = tuple(sorted({category for category, _ in photos}))
        return cls(photos, cads, categories)

    def chosen(self, categories: Sequence[str] = (), splits: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
        """Pairs of category and split, sorted; all categories, and the splits in the order given.

        Raises:
            BadInput: a category is not there, or has no list for a wanted split.
        """
        if unknown := [category for category in categories if category not in self.categories]:
            there = ", ".join(self.categories[:8]) or "none"
            raise BadInput(f"no category {', '.join(unknown)}; there are {len(self.categories)}, such as {there}")
        for category in categories or self.categories:
            for split in splits:
                if (category, split) not in self.photos:
                    raise BadInput(
                        f"lists/{category}_imagenet_{split}.txt is not there; name the splits that you have with "
                        "--splits, and the categories with --categories"
                    )
                yield category, split


def _published(keys: Sequence[str], files: Files) -> tuple[dict[tuple[str, str], tuple[Photo, ...]], tuple[str, ...]]:
    images = {(found["category"], found["name"]): key for key in keys if (found := _IMAGE.search(key))}
    first = next(iter(images.values()), "")
    root = first[: found.start()] if (found := _IMAGE.search(first)) else ""
    photos = {}
    for key in keys:
        if found := _LIST.search(key):
            category, split = found["category"], found["split"]
            names = _lines(files.read(key))
            photos[category, split] = tuple(
                Photo(
                    category, split, name,
                    images.get((category, name), f"{root}images/{category}/{name}.JPEG"),
                    f"{root}annotations/{category}/{name}.npz",
                )
                for name in names
            )  # fmt: skip
    return photos, tuple(sorted({category for category, _ in images}))


def _lines(text: bytes) -> list[str]:
    """Names of a list; line ends of any system, and neither blank lines nor a name twice."""
    names = (line.strip() for line in text.decode("utf-8-sig", errors="replace").splitlines())
    return list(dict.fromkeys(name for name in names if name))


def _side_by_side(keys: Sequence[str], split: str) -> dict[tuple[str, str], tuple[Photo, ...]]:
    there = set(keys)
    photos: dict[tuple[str, str], tuple[Photo, ...]] = {}
    for key in keys:
        if found := _ANNOTATION.search(key):
            stem = str(PurePosixPath(key).with_suffix(""))
            image = next((stem + suffix for suffix in _PICTURES if stem + suffix in there), "")
            if image:
                place = (found["category"], split)
                photos[place] = (*photos.get(place, ()), Photo(*place, found["name"], image, key))
    return photos
