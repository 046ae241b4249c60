"""`opendlign detect`: the things that stand in a scan, by names of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.table import Table

from opendlign.ask import AtLeastOne
from opendlign.models import Which
from opendlign.named_files import require_files
from opendlign.shapes import LAST_RUN, Labels, named_model, wanted_labels, warn_of_unread
from opendlign.show import console, plain
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis

if TYPE_CHECKING:
    from opendlign.detected import Detected


def detect(
    scan: Path,
    /,
    *,
    labels: Labels,
    proposals: Literal["superpoints", "3detr", "boxes"] = "superpoints",
    checkpoint: Annotated[Path | None, Parameter(help="Weights of 3DETR-m, such as scannet_masked_ep1080.pth")] = None,
    boxes: Annotated[Path | None, Parameter(help="Boxes of another program, as .json, .csv or .npz")] = None,
    which: Which = LAST_RUN,
    out: Annotated[Path, Parameter(help="Folder for boxes.json, scene.ply and plan.png")] = Path("things"),
    up: Annotated[UpAxis | None, Parameter(help="The axis that points up in the file; ScanNet's is z")] = None,
    top: Annotated[int, AtLeastOne] = 20,
) -> int:
    """Find things in a scan of a room, in metres, by any names.

    Parameters
    ----------
    scan
        A cloud or mesh (.ply .pcd .glb .las .npy and more).
    proposals
        Where boxes come from: the surfaces of the scan itself, 3DETR-m with --checkpoint, or a file with --boxes.
    top
        How many boxes to print and to draw.
    """
    names = wanted_labels(labels)
    for option, path, how in (("--checkpoint", checkpoint, "3detr"), ("--boxes", boxes, "boxes")):
        if (path is not None) != (proposals == how):
            raise BadInput(f"{option} and --proposals {how} belong together: name both or neither")
    require_files([path for path in (scan, checkpoint, boxes) if path is not None])
    trained = named_model(which)
    warn_of_unread(trained, names)
    from opendlign.detected import detect as detect_in
    from opendlign.detected import propose, read_scan, write_detected

    seen = read_scan(scan, trained, up)
    if seen.left_out:
        console.print(plain(f"{seen.left_out:,} points of {scan} are left out by chance"), soft_wrap=True)
    found = detect_in(seen, propose(seen, proposals, checkpoint, boxes), trained, names)
    console.print(plain(f"{scan}: {len(found.found.scores)} things in {found.proposals} boxes"), soft_wrap=True)
    console.print(_table(found, top))
    console.print(plain(", ".join(map(str, write_detected(found, out, top)))), soft_wrap=True)
    return 0


def _table(found: "Detected", top: int) -> Table:
    table = Table("", "label", "score", "centre", "size", title="y up, in metres")
    for place in range(min(top, len(found.found.scores))):
        box = found.found.boxes
        centre, size = (" ".join(f"{value:.2f}" for value in row[place]) for row in (box.centres, box.sizes))
        table.add_row(str(place + 1), plain(found.label(place)), f"{found.found.scores[place]:.2f}", centre, size)
    return table
