"""`opendlign index` and `search`, and what they share with `classify`: a trained model at work on single shapes."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from opendlign.ask import AtLeastOne
from opendlign.models import OWN, Trained, Which, find
from opendlign.named_files import NamedFiles, read_picture, require_files, require_picture, shape_files
from opendlign.naming import Namer, namer
from opendlign.show import console, counted, plain, print_unread
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis
from storage.store import Store
from storage.usercache import UserCache

if TYPE_CHECKING:
    from opendlign_core.evaluation import EvalSample, Hit
    from opendlign_core.ingestion import IngestedObject, RejectedObject

LAST_RUN = Which()
Seeing = Trained | Namer
"""What has a model, and knows how shapes are brought before it."""
Scenes = Annotated[
    bool, Parameter(help="The things in the scenes of the store instead: what is in every proposed box", negative=())
]
Labels = Annotated[str, Parameter(help="Names with commas, a packaged list such as modelnet40, or a file")]


def index(
    *,
    out: Path = Path("objects.parquet"),
    which: Which = LAST_RUN,
    split: Annotated[str | None, Parameter(help="Index only this split; every object by default")] = None,
    scenes: Scenes = False,
) -> int:
    """Embed all objects of a model's source, for `search`.

    Parameters
    ----------
    out
        The index file to write (Parquet).
    """
    if scenes:
        count = write_scene_index(which.open(), namer(which), out, split)
    else:
        count = write_index(named_model(which), out, split)
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
    scenes: Scenes = False,
    which: Which = LAST_RUN,
) -> int:
    """Find shapes by words, picture or shape; prints the hits and writes a picture of them.

    With --scenes a hit is a box of a scene, told by its place; the picture shows what is in it. The frozen CLIP of
    the preset answers where no model was trained.

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
    _require_all(index, image, shape, picture)
    pixels = None if image is None else read_picture(image)
    seeing = namer(which) if scenes else named_model(which)
    warn_of_unread(seeing, [query])
    from opendlign_core.evaluation import hits_picture, query_embedding
    from opendlign_core.evaluation import search as search_index

    sample = None if shape is None else read_shape_of(shape, seeing)
    asked = query_embedding(seeing.model, query or None, pixels, sample)
    kept = index or _default_index(which, seeing)
    hits = search_index(seeing.model, kept, asked, top)
    console.print(hits_table(hits, query or str(image or shape)))
    hits_picture(hits).save(picture)
    console.print(f"Picture: {picture}", soft_wrap=True)
    return 0


def _default_index(which: Which, seeing: Seeing) -> Path:
    return default_scene_index(which.open(), seeing) if isinstance(seeing, Namer) else default_index(seeing)


def _require_all(index: Path | None, image: Path | None, shape: Path | None, picture: Path) -> None:
    """Refuse what `search` could not use, before anything is loaded."""
    from opendlign_core.evaluation.index_file import open_index

    require_picture(picture)
    if index is not None:
        if not index.is_file():
            raise FileNotFoundError(f"no index at {index}; build one with `opendlign index --out {index}`")
        open_index(index).close()
    if image is not None:
        require_files([image])
    if shape is not None:
        shape_files([shape])


def named_model(which: Which) -> Trained:
    """The model that is meant, after saying which one that is."""
    trained = find(which)
    console.print(plain(f"Model: {trained.manifest.folder} ({trained.told})"), soft_wrap=True)
    return trained


def warn_of_unread(seeing: Seeing, texts: Sequence[str]) -> None:
    """Say which words of these texts the model's CLIP never read."""
    from opendlign_core.clip.vocabulary import unread_words

    print_unread(seeing.clip.model, unread_words(seeing.clip, texts))


def hits_table(hits: Sequence["Hit"], title: str) -> Table:
    """Hits by rank; names of objects are shown as they are."""
    table = Table("", "object", "label", "cosine", title=plain(title))
    for rank, hit in enumerate(hits, 1):
        table.add_row(str(rank), plain(hit.object_id), plain(hit.label or ""), f"{hit.score:.3f}")
    return table


def wanted_labels(given: str, least: int = 2) -> tuple[str, ...]:
    """The names of a command line: a file, a packaged list, or the names themselves."""
    from opendlign_core.evaluation.labels import check_labels, label_lists, packaged_labels, read_labels

    if given in label_lists():
        return packaged_labels(given)
    if Path(given).suffix or "/" in given:
        if not Path(given).is_file():
            raise FileNotFoundError(f"no label file {given}; packaged lists are {', '.join(label_lists())}")
        return read_labels(Path(given))
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    if len(names) < least:
        raise BadInput(_too_few(given, label_lists()))
    return check_labels(names, "--labels")


def _too_few(given: str, lists: Sequence[str]) -> str:
    """What is wrong with a single word: mostly a packaged list that is spelled otherwise."""
    if meant := get_close_matches(given, lists, n=1):
        return f"no packaged list {given!r}; did you mean {meant[0]}? There are {', '.join(lists)}"
    return f"--labels {given!r}: name at least two, as in --labels chair,table,lamp, or one of {', '.join(lists)}"


def read_shape_of(path: Path, seeing: Seeing) -> "EvalSample":
    """One file as the model sees it; raises `UnreadableShape` naming it."""
    from opendlign_core.ingestion import RejectedObject, UnreadableShape

    (outcome,) = read_outcomes([path], seeing)
    if isinstance(outcome, RejectedObject):
        raise UnreadableShape(f"{outcome.entry.uri}: {outcome.reason}")
    return outcome


def read_outcomes(
    files: Sequence[Path], seeing: Seeing, up: UpAxis | None = None
) -> Iterator["EvalSample | RejectedObject"]:
    """Read files as the model's own shapes were: parsed apart, brought to its points, projected by its recipe."""
    from opendlign_core.ingestion import RejectedObject

    for outcome in read_clouds(files, seeing, up):
        yield outcome if isinstance(outcome, RejectedObject) else projected(outcome, seeing)


def read_clouds(
    files: Sequence[Path], seeing: Seeing, up: UpAxis | None = None
) -> Iterator["IngestedObject | RejectedObject"]:
    """Read files as the model's own shapes were, parsed apart and brought to its number of points."""
    from opendlign_core.ingestion import ingest_shapes

    named = NamedFiles(files)
    # A file of one's own loses no part to chance, unless somebody asks for that.
    chosen = "sampling" in seeing.source.model_fields_set
    recipe = seeing.source if chosen else seeing.source.model_copy(update={"sampling": "stratified"})
    execution = seeing.reading.model_copy(update={"workers": 1})
    yield from ingest_shapes(named.entries(up), recipe, execution, named)


def projected(shape: "IngestedObject", seeing: Seeing) -> "EvalSample | RejectedObject":
    """A shape as the model sees it, by the recipe of its depth maps."""
    import torch

    from opendlign_core.evaluation import EvalSample
    from opendlign_core.ingestion import RejectedObject
    from opendlign_core.projection import UnusableCloud, project

    try:
        # A copy, because points may lie in memory that is read-only.
        depth = project(torch.tensor(shape.points)[None], seeing.projection)[0].numpy()
    except UnusableCloud as error:
        return RejectedObject(shape.entry, error.reason)
    return EvalSample(shape.entry.uri, None, depth)


def write_index(trained: Trained, path: Path, split: str | None) -> int:
    """Embed the depth maps of the model's source."""
    from opendlign_core.evaluation import DatasetSpec, build_index

    path.parent.mkdir(parents=True, exist_ok=True)
    everything, stored = DatasetSpec(name="index"), trained.samples()
    count = stored.count(everything, split, OWN)
    console.print(f"Embedding {count:,} objects ...")
    samples = counted(stored.samples(everything, split, OWN), count)
    return build_index(trained.model, samples, path)


def default_index(trained: Trained) -> Path:
    """The index of everything the model's source holds, built when first needed and kept for this model.

    Building takes a while, so that is said, also where nobody looks at a terminal.
    """
    return UserCache().file(f"index-{trained.key}.parquet", lambda path: write_index(trained, path, None))


def write_scene_index(store: Store, seeing: Namer, path: Path, split: str | None) -> int:
    """Embed the depth maps of all boxes in the store's scenes."""
    from opendlign.scene_gallery import SceneGallery
    from opendlign_core.evaluation import build_index

    gallery = SceneGallery(store, seeing)
    path.parent.mkdir(parents=True, exist_ok=True)
    console.print(f"Embedding boxes of scenes, {gallery.count:,} in all splits ...")
    return build_index(seeing.model, counted(gallery.samples(split), gallery.count), path)


def default_scene_index(store: Store, seeing: Namer) -> Path:
    """The index of all boxes in the store's scenes, built when first needed and kept for this model."""
    from opendlign.scene_gallery import SceneGallery

    key = SceneGallery(store, seeing).key
    return UserCache().file(f"index-{key}.parquet", lambda path: write_scene_index(store, seeing, path, None))
