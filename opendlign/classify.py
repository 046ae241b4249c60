"""`opendlign classify`: names for shapes, in a table for people or in a file for programs."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from opendlign.ask import AtLeastOne
from opendlign.models import Trained, Which
from opendlign.named_files import require_out, require_picture, shape_files
from opendlign.shapes import LAST_RUN, Labels, named_model, read_outcomes, wanted_labels, warn_of_unread
from opendlign.show import console, plain
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis

if TYPE_CHECKING:
    from opendlign_core.evaluation import Classification, EvalSample

SUFFIXES = (".csv", ".json")


def classify(
    *files: Path,
    labels: Labels,
    which: Which = LAST_RUN,
    out: Annotated[Path | None, Parameter(help="Write every probability here, as .csv or .json")] = None,
    picture: Annotated[Path | None, Parameter(help="Write the ten depth views with their scores here")] = None,
    up: Annotated[UpAxis | None, Parameter(help="The axis that points up in the files")] = None,
    top: Annotated[int, AtLeastOne] = 5,
) -> int:
    """Name shapes: any readable cloud or mesh against any labels.

    A file that cannot be read is told of and left out; the exit code is 2 then.

    Parameters
    ----------
    files
        Clouds or meshes (.ply .obj .off .stl .glb .npy .pcd .xyz .h5 and more), and folders of them.
    top
        How many labels to print for each file.
    """
    names, shapes = wanted_labels(labels), shape_files(files)
    if out is not None:
        require_out(out, SUFFIXES)
    if picture is not None:
        require_picture(picture)
    trained = named_model(which)
    warn_of_unread(trained, names)
    problems, answers = list[str](), list["Classification"]()
    for sample, found in _answers(shapes, trained, names, up, problems):
        answers.append(found)
        _print(found, top)
        if picture is not None:
            _draw(sample, found, picture if len(shapes) == 1 else _numbered(picture, sample, len(answers)))
    if not answers:
        raise BadInput("; ".join(problems))
    if out is not None:
        _write(out, answers)
        console.print(plain(f"Probabilities: {out}"), soft_wrap=True)
    for problem in problems:
        console.print(plain(f"left out: {problem}"), soft_wrap=True)
    return 2 if problems else 0


def _answers(
    shapes: Sequence[Path], trained: Trained, names: Sequence[str], up: UpAxis | None, problems: list[str]
) -> Iterator[tuple["EvalSample", "Classification"]]:
    """Every readable shape with its answer, in order; what is wrong with the others goes to `problems`."""
    from opendlign_core.evaluation import classify as classify_samples
    from opendlign_core.ingestion import RejectedObject

    waiting: list[EvalSample] = []

    def readable() -> Iterator["EvalSample"]:
        for outcome in read_outcomes(shapes, trained, up):
            if isinstance(outcome, RejectedObject):
                problems.append(f"{outcome.entry.uri}: {outcome.reason}")
            else:
                waiting.append(outcome)
                yield outcome

    for found in classify_samples(trained.model, readable(), names):
        yield waiting.pop(0), found


def _print(found: "Classification", top: int) -> None:
    console.print(plain(found.object_id), soft_wrap=True)
    table = Table("label", "probability")
    for label, share in found.ranked()[:top]:
        table.add_row(plain(label), f"{100 * share:.1f} %")
    console.print(table)


def _numbered(picture: Path, sample: "EvalSample", number: int) -> Path:
    """Two files of one name are told apart by their place."""
    return picture.with_stem(f"{picture.stem}-{number}-{Path(sample.object_id).stem}")


def _draw(sample: "EvalSample", found: "Classification", path: Path) -> None:
    from opendlign_core.evaluation import classification_picture

    classification_picture(sample, found).save(path)
    console.print(plain(f"Views: {path}"), soft_wrap=True)


def _write(path: Path, answers: Sequence["Classification"]) -> None:
    """One row for each file and label, most probable first, or one object for each file."""
    if path.suffix.lower() == ".json":
        found = [{"file": one.object_id, "label": one.prediction, "labels": dict(one.ranked())} for one in answers]
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "rank", "label", "probability"))
        for one in answers:
            rows.writerows(
                (one.object_id, rank, label, f"{share:.6f}") for rank, (label, share) in enumerate(one.ranked(), 1)
            )
