"""`opendlign index` and `search`, and what they share with `classify`: a trained model at work on single shapes."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray
from rich.table import Table

from opendlign.ask import AtLeastOne
from opendlign.models import OWN, Trained, Which, find
from opendlign.show import console, plain, print_unread
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis
from storage.usercache import UserCache

if TYPE_CHECKING:
    from opendlign_core.evaluation import EvalSample, Hit
    from opendlign_core.ingestion import IngestedObject, ObjectEntry, RejectedObject

LAST_RUN = Which()
Labels = Annotated[str, Parameter(help="Names with commas, a packaged list such as modelnet40, or a file")]


def index(
    *,
    out: Path = Path("objects.parquet"),
    which: Which = LAST_RUN,
    split: Annotated[str | None, Parameter(help="Index only this split; every object by default")] = None,
) -> int:
    """Embed all objects of a model's source, for `search`.

    Parameters
    ----------
    out
        The index file to write (Parquet).
    """
    trained = named_model(which)
    count = write_index(trained, out, split)
    console.print(f"{count} objects in {out}", soft_wrap=True)
    return 0


def search(
    query: str = "",
    /,
    *,
    index: Annotated[Path | None, Parameter(help="An index file (default: all objects of the source)")] = None,
    image: Annotated[Path | None, Parameter(help="Search with a picture, alone or together with the words")] = None,
    shape: Annotated[Path | None, Parameter(help="Search with a cloud or mesh")] = None,
    top: Annotated[int, AtLeastOne] = 10,
    picture: Path = Path("hits.png"),
    which: Which = LAST_RUN,
) -> int:
    """Find shapes by words, picture or shape; prints the hits and writes a picture of them.

    Parameters
    ----------
    query
        Words, such as "a wooden chair with four legs".
    top
        How many hits to show.
    picture
        Where the picture of the hits goes.
    """
    if not query and image is None and shape is None:
        raise BadInput("search needs words, --image or --shape")
    if index is not None and not index.is_file():
        raise FileNotFoundError(f"no index at {index}; build one with `opendlign index --out {index}`")
    for path in (image, shape):
        if path is not None:
            require_files([path])
    trained = named_model(which)
    warn_of_unread(trained, [query])
    from opendlign_core.evaluation import hits_picture, query_embedding
    from opendlign_core.evaluation import search as search_index

    sample = read_shape_of(shape, trained) if shape is not None else None
    pixels = read_picture(image) if image is not None else None
    asked = query_embedding(trained.model, query or None, pixels, sample)
    hits = search_index(trained.model, index or default_index(trained), asked, top)
    console.print(hits_table(hits, query or str(image or shape)))
    hits_picture(hits).save(picture)
    console.print(f"Picture: {picture}", soft_wrap=True)
    return 0


def named_model(which: Which) -> Trained:
    """The model that is meant, after saying which one that is."""
    trained = find(which)
    console.print(plain(f"Model: {trained.manifest.folder} ({trained.told})"), soft_wrap=True)
    return trained


def warn_of_unread(trained: Trained, texts: Sequence[str]) -> None:
    """Say which words of these texts the model's CLIP never read."""
    from opendlign_core.clip.vocabulary import unread_words
    from tasks.words import clip_of

    clip = clip_of(trained.manifest)
    print_unread(clip.model, unread_words(clip, texts))


def hits_table(hits: Sequence["Hit"], title: str) -> Table:
    """Hits by rank; names of objects are shown as they are."""
    table = Table("", "object", "label", "cosine", title=plain(title))
    for rank, hit in enumerate(hits, 1):
        table.add_row(str(rank), plain(hit.object_id), plain(hit.label or ""), f"{hit.score:.3f}")
    return table


def wanted_labels(given: str) -> tuple[str, ...]:
    """The names of a command line: a file, a packaged list, or the names themselves."""
    from opendlign_core.evaluation import label_lists, packaged_labels, read_labels

    if given in label_lists():
        return packaged_labels(given)
    if Path(given).suffix or "/" in given:
        if not Path(given).is_file():
            raise FileNotFoundError(f"no label file {given}; packaged lists are {', '.join(label_lists())}")
        return read_labels(Path(given))
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    if len(names) < 2:
        raise BadInput(_too_few(given, label_lists()))
    return names


def _too_few(given: str, lists: Sequence[str]) -> str:
    """What is wrong with a single word: mostly a packaged list that is spelled otherwise."""
    if meant := get_close_matches(given, lists, n=1):
        return f"no packaged list {given!r}; did you mean {meant[0]}? There are {', '.join(lists)}"
    return f"--labels {given!r}: name at least two, as in --labels chair,table,lamp, or one of {', '.join(lists)}"


def require_files(files: Sequence[Path]) -> None:
    """Refuse names of nothing before anything slow begins."""
    if not files:
        raise BadInput("name at least one file")
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}")


def shape_files(given: Sequence[Path]) -> list[Path]:
    """The files that are named, and the shapes in folders that are.

    Raises:
        BadInput: nothing is named, or a folder holds no shape.
    """
    from opendlign_core.ingestion.readers import SUFFIXES
    from opendlign_core.ingestion.unread import why_unread

    found: list[Path] = []
    for path in given:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
        if not inside:
            raise BadInput(f"no shapes in {path}; see docs/formats.md for the suffixes that are read")
        found += inside
    require_files(found)
    if not any(path.suffix.lower() in SUFFIXES for path in found):
        raise BadInput("; ".join(f"{path} {why_unread(path.suffix.lower())}" for path in found))
    return found


def read_shape_of(path: Path, trained: Trained) -> "EvalSample":
    """One file as the model sees it; raises `UnreadableShape` naming it."""
    from opendlign_core.ingestion import RejectedObject, UnreadableShape

    (outcome,) = read_outcomes([path], trained)
    if isinstance(outcome, RejectedObject):
        raise UnreadableShape(f"{outcome.entry.uri}: {outcome.reason}")
    return outcome


def read_outcomes(
    files: Sequence[Path], trained: Trained, up: UpAxis | None = None
) -> Iterator["EvalSample | RejectedObject"]:
    """Read files as the model's own shapes were: parsed apart, brought to its points, projected by its recipe."""
    from opendlign_core.ingestion import RejectedObject

    for outcome in read_clouds(files, trained, up):
        yield outcome if isinstance(outcome, RejectedObject) else projected(outcome, trained)


def read_clouds(
    files: Sequence[Path], trained: Trained, up: UpAxis | None = None
) -> Iterator["IngestedObject | RejectedObject"]:
    """Read files as the model's own shapes were, parsed apart and brought to its number of points."""
    from opendlign_core.ingestion import ingest_entries

    entries = named_entries(files, up)
    # A file of one's own loses no part to chance, unless somebody asks for that.
    chosen = "sampling" in trained.source.model_fields_set
    recipe = trained.source if chosen else trained.source.model_copy(update={"sampling": "stratified"})
    execution = trained.reading.model_copy(update={"workers": 1})
    yield from ingest_entries(entries, recipe, execution, NamedFiles())


def projected(shape: "IngestedObject", trained: Trained) -> "EvalSample | RejectedObject":
    """A shape as the model sees it, by the recipe of its depth maps."""
    import torch

    from opendlign_core.evaluation import EvalSample
    from opendlign_core.ingestion import RejectedObject
    from opendlign_core.projection import UnusableCloud, project

    try:
        # A copy, because points may lie in memory that is read-only.
        depth = project(torch.tensor(shape.points)[None], trained.projection)[0].numpy()
    except UnusableCloud as error:
        return RejectedObject(shape.entry, error.reason)
    return EvalSample(shape.entry.uri, None, depth)


def named_entries(files: Sequence[Path], up: UpAxis | None) -> list["ObjectEntry"]:
    """Named files as ingestion takes them, with the axis that points up in them, where that is said."""
    from opendlign_core.ingestion import ObjectEntry

    return [
        ObjectEntry(object_id=f"file/{path}", source="file", split="", uri=str(path), up_axis=up) for path in files
    ]


def require_picture(path: Path) -> None:
    """Refuse, before anything slow begins, a picture that could not be written in the end."""
    from PIL import Image

    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise BadInput(f"--picture {path}: name a file that ends in .png, .jpg or .webp")
    if not path.parent.is_dir():
        raise BadInput(f"--picture {path}: there is no folder {path.parent}")


class NamedFiles:
    """The files a user names, wherever they lie; a key is a path."""

    def list(self, prefix: str = "") -> Iterator[str]:
        yield from (str(path) for path in Path(prefix).rglob("*") if path.is_file())

    def read(self, key: str) -> bytes:
        return Path(key).read_bytes()

    def local(self, key: str) -> Path:
        return Path(key)


def read_picture(path: Path) -> NDArray[np.float32]:
    """A picture as [H, W, 3] in [0, 1]."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            pixels: NDArray[np.float32] = np.asarray(opened.convert("RGB"), np.float32) / np.float32(255)
            return pixels
    except UnidentifiedImageError as error:
        raise BadInput(f"{path} is no picture that can be read") from error


def write_index(trained: Trained, path: Path, split: str | None) -> int:
    """Embed the depth maps of the model's source."""
    from opendlign_core.evaluation import DatasetSpec, build_index

    path.parent.mkdir(parents=True, exist_ok=True)
    with console.status("embedding objects"):
        samples = trained.samples().samples(DatasetSpec(name="index"), split, OWN)
        return build_index(trained.model, samples, path)


def default_index(trained: Trained) -> Path:
    """The index of everything the model's source holds, built when first needed and kept for this model."""
    return UserCache().file(f"index-{trained.key}.parquet", lambda path: write_index(trained, path, None))
