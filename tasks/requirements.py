"""What a stage needs of this machine before it starts: weights, a device, room. Torch-free, unless a GPU is named."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opendlign_core.clip.spec import PACKAGE, WEIGHTS_FILE, ClipSpec, packaged_folder
from opendlign_core.errors import BadInput


@dataclass(frozen=True)
class Requirement:
    """One thing that is needed, how it stands here and, where that keeps a run from starting, why."""

    name: str
    state: str
    problem: str = ""


def clip_weights(clip: ClipSpec) -> Iterator[Requirement]:
    """The weights of a CLIP; random ones need none.

    >>> [needed.name for needed in clip_weights(ClipSpec.packaged("mini"))]
    ['weights of mini']
    """
    name = f"weights of {clip.model}"
    if clip.weights == "random":
        return
    if clip.weights.startswith(PACKAGE):
        yield _file(name, packaged_folder(clip.weights.removeprefix(PACKAGE)) / WEIGHTS_FILE)
    elif (path := clip.local_weights) is not None:
        yield _file(name, path)
    else:
        yield _published(f"{name} ({clip.weights})", "models--*", clip.revision)


def hub_model(model: str, revision: str | None) -> Requirement:
    """A model of the hub, or a local folder or file of one."""
    if (path := Path(model).expanduser()).exists():
        return Requirement(f"weights of {path.name}", f"{_gigabytes(_size(path))} at {path}")
    return _published(f"weights of {model}", f"models--{model.replace('/', '--')}", revision)


def device(name: str) -> Iterator[Requirement]:
    """The device that an execution names; `auto` and `cpu` are everywhere."""
    if name in ("auto", "cpu"):
        return
    from opendlign_core.clip import choose_device

    try:
        choose_device(name)
    except BadInput as error:
        yield Requirement(f"device {name}", "not here", str(error))
    else:
        yield Requirement(f"device {name}", "here")


def _file(name: str, path: Path) -> Requirement:
    if path.is_file():
        return Requirement(name, _gigabytes(path.stat().st_size))
    return Requirement(name, "not there", f"there are no weights at {path}; name another place, or bring them there")


def _published(name: str, folder: str, revision: str | None) -> Requirement:
    """Weights of the hub; without a commit nobody can tell whether the newest are those of the cache."""
    from huggingface_hub import constants

    found = [*Path(constants.HF_HUB_CACHE).glob(f"{folder}/snapshots/{revision or '*'}")]
    if found and (revision or "*" not in folder):
        return Requirement(name, f"{_gigabytes(max(map(_size, found)))} in the cache")
    if constants.HF_HUB_OFFLINE and revision:
        return Requirement(
            name, "not in the cache",
            f"the {name} are not in the cache at {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE forbids to fetch them: "
            "unset it, copy the cache of a machine that has them, or name a local file",
        )  # fmt: skip
    return Requirement(name, "fetched from the hub when first needed")


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def room(path: str, wanted: int) -> Requirement:
    """Space in a local folder, which may not be there yet, for so many bytes."""
    place = Path(path).absolute()
    while not place.exists():
        place = place.parent
    stats = os.statvfs(place)
    free = stats.f_bavail * stats.f_frsize
    state = f"about {_gigabytes(wanted)} of {_gigabytes(free)} free"
    if wanted <= free:
        return Requirement("room in the store", state)
    return Requirement(
        "room in the store", state,
        f"the store at {path} has {_gigabytes(free)} free, but this takes about {_gigabytes(wanted)}: free some, or "
        "name another with --store",
    )  # fmt: skip
