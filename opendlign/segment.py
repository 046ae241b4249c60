"""`opendlign segment`: the part that each point or triangle of a shape belongs to, by the words for the parts."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from opendlign.ask import Changes, StoreUrl
from opendlign.models import Which, find_trained
from opendlign.named_files import shape_files
from opendlign.show import console, plain, print_unread
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis

if TYPE_CHECKING:
    from opendlign.parted import Parted, PartsModel
    from opendlign_core.evaluation import EvalRecipe

POINTS = (32, 100_000)


def segment(
    *files: Path,
    parts: Annotated[str, Parameter(help="Names with commas, or a file with one a line")] = "",
    category: Annotated[str, Parameter(help="What the shapes are, such as chair; may be left out")] = "",
    preset: Annotated[str, Parameter(help="The preset whose CLIP, maps and choices are used")] = "mini-parts",
    store: StoreUrl = None,
    set_: Changes = None,
    model: Annotated[str | None, Parameter(help="A trained model of the store, by its fingerprint")] = None,
    out: Annotated[Path, Parameter(help="Folder for models, pictures and parts.csv")] = Path("parts"),
    up: Annotated[UpAxis | None, Parameter(help="The axis that points up in the files")] = None,
    points: int | None = None,
) -> int:
    """Colour shapes by their parts, any cloud or mesh, by the words for the parts.

    Writes of every file a .ply with colours and part numbers and a picture; of a mesh also a .glb with one named piece
    for each part, in which triangles that lie in several parts are split.
    Without --preset the small CLIP of mini-parts answers, for which nothing must have been trained.

    Parameters
    ----------
    files
        Clouds or meshes (.ply .obj .off .stl .glb .npy .pcd .xyz .h5 and more), and folders of them.
    points
        How many points of a shape are asked (default: as many as the preset's clouds have); all others, and the
        triangles of a mesh, take the part of the nearest.
    """
    names, shapes = wanted_parts(parts, category), shape_files(files)
    if out.exists() and not out.is_dir():
        raise BadInput(f"--out {out}: that is a file; name a folder")
    if points is not None and not POINTS[0] <= points <= POINTS[1]:
        raise BadInput(f"--points {points}: between {POINTS[0]} and {POINTS[1]:,}")
    judge = parts_model(Which(preset, store, set_, model=model), up, points)
    from opendlign.parted import part, stems, write_parted
    from opendlign_core.clip.vocabulary import unread_words

    places = stems(shapes, out)
    print_unread(judge.clip.model, unread_words(judge.clip, [*names, category]))
    question, problems, shares = judge.segmenter.question(names, category), list[str](), list[tuple[str, ...]]()
    for path, stem in zip(shapes, places, strict=True):
        try:
            found = part(path, judge, question)
        except BadInput as error:
            problems.append(str(error))
            continue
        out.mkdir(parents=True, exist_ok=True)
        console.print(plain(f"{path}: {found.size}"), soft_wrap=True)
        console.print(_table(found))
        console.print(plain(", ".join(map(str, write_parted(found, stem, path.name)))), soft_wrap=True)
        shares += [(str(path), name, f"{share:.4f}") for name, share in zip(names, found.shares, strict=True)]
    return _finish(out / "parts.csv", shares, problems)


def wanted_parts(given: str, category: str) -> tuple[str, ...]:
    """The parts of a command line: the names themselves, a file of them, or those that are known of a category.

    Raises:
        BadInput: there are no names, one only, or the same twice.
    """
    if not given:
        return _known_parts(category)
    from opendlign_core.evaluation.segmentation.choices import check_parts

    return check_parts([line.strip() for line in _given(given) if line.strip()], f"--parts {given!r}")


def _given(words: str) -> list[str]:
    """The names between commas, or the lines of a file; a file that is not there is known by its name alone."""
    path = Path(words)
    if "," not in words and (path.suffix or "/" in words) and not path.is_file():
        raise FileNotFoundError(f"no file of parts {words}")
    if not path.is_file():
        return words.split(",")
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadInput(f"{words} is no text in UTF-8: name the parts one a line") from error


def _known_parts(category: str) -> tuple[str, ...]:
    from opendlign_core.ingestion.procedural import LABELS, category_parts

    known = {name: category_parts(name) for name in LABELS}
    named = {name: parts for name, parts in known.items() if len(parts) > 1}
    if not category:
        raise BadInput("name the parts, as in --parts seat,back,leg, or --category with one whose parts are known")
    if category.lower() not in named:
        raise BadInput(f"no parts of {category!r} are known, name them with --parts; known are {', '.join(named)}")
    return named[category.lower()]


def parts_model(which: Which, up: UpAxis | None, points: int | None) -> "PartsModel":
    """What names parts: the frozen CLIP that a preset judges, or the depth branch of a trained model.

    Raises:
        BadInput: the preset names no parts.
        MissingOutput: the store does not hold the model.
    """
    from flows.preset import load_preset

    preset = load_preset(which.chosen, which.changes)
    recipe: EvalRecipe | None = preset.recipes.get("evaluate")
    if recipe is None or "segmentation" not in recipe.tasks:
        raise BadInput(
            f"the preset {preset.name} names no parts; take mini-parts or shapenetpart, with or without --model"
        )
    from opendlign.parted import PartsModel
    from opendlign_core.evaluation import METHODS
    from opendlign_core.evaluation.segmentation.benchmark import SEGMENTATION
    from opendlign_core.evaluation.segmentation.segmenter import Segmenter
    from tasks.judged import frozen_clip, load_frozen, require_one_model
    from tasks.train import load_trained
    from tasks.words import clip_of

    options = SEGMENTATION.options_in(recipe)
    if options.shipped or options.parts:
        raise BadInput("shipped sentences and options.segmentation.parts are for benchmarks: name parts by --parts")
    if which.model:
        store = which.open()
        trained = find_trained(store, which.model)
        clip, model, method = clip_of(trained), load_trained(store, trained, "auto"), METHODS["aligned-parts"]
    else:
        require_one_model(False, recipe.clip)
        clip = frozen_clip(recipe.clip)
        model, method = load_frozen(clip, "auto"), recipe.methods[0]
    source = preset.source.source.model_copy(update={"up_axis": up})
    chosen = {"source": source, "points": points or preset.source.points, "reduction": "fps"}
    ingest = preset.source.model_copy(update=chosen)
    projection = preset.recipes["project"].replace(places=(options.answers[0].mode,))
    return PartsModel(Segmenter.of(model, method, options), clip, ingest, projection, preset.executions["ingest"])


def _table(found: "Parted") -> Table:
    table = Table("part", "share")
    for name, share in zip(found.names, found.shares, strict=True):
        table.add_row(plain(name), f"{100 * share:.1f} %")
    return table


def _finish(path: Path, shares: list[tuple[str, ...]], problems: list[str]) -> int:
    """Write the shares of all files, and say which were left out."""
    if not shares:
        raise BadInput("; ".join(problems))
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "part", "share"), *shares])
    console.print(plain(f"Shares: {path}"), soft_wrap=True)
    for problem in problems:
        console.print(plain(f"left out: {problem}"), soft_wrap=True)
    return 2 if problems else 0
