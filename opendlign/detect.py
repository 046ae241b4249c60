"""`opendlign detect`: the things that stand in a scan, by names of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from opendlign.ask import AtLeastOne
from opendlign.asked_things import Kind, require_place, wanted_proposer, wanted_words
from opendlign.models import Which
from opendlign.named_files import require_files
from opendlign.naming import namer, note_unread
from opendlign.shapes import LAST_RUN, Labels, wanted_labels
from opendlign.show import console, plain
from opendlign_core.ingestion.entry import UpAxis

if TYPE_CHECKING:
    from opendlign.detected import Detected


def detect(
    scan: Path,
    /,
    *,
    labels: Labels,
    proposals: Kind = "superpoints",
    checkpoint: Annotated[Path | None, Parameter(help="Weights of 3DETR-m, such as scannet_masked_ep1080.pth")] = None,
    boxes: Annotated[
        Path | None, Parameter(help="Boxes of another program, as .json, .csv or .npz, in the frame of the scan")
    ] = None,
    yaw: Annotated[bool, Parameter(help="Turn the boxes of surfaces as what is in them", negative=())] = False,
    background: Annotated[str, Parameter(help="What is no thing, with commas, such as wall,floor,ceiling")] = "",
    which: Which = LAST_RUN,
    out: Annotated[Path, Parameter(help="Folder for boxes.json, scene.ply, scene.glb and pictures")] = Path("things"),
    up: Annotated[UpAxis | None, Parameter(help="The axis that points up in the file; ScanNet's is z")] = None,
    top: Annotated[int, AtLeastOne] = 20,
) -> int:
    """Find things in a scan of a room, in metres, by any names.

    Without a trained model in the store the frozen CLIP of the preset answers.

    Parameters
    ----------
    scan
        A cloud or mesh (.ply .pcd .glb .las .npy and more).
    proposals
        Where boxes come from: the surfaces of the scan itself, 3DETR-m with --checkpoint, or a file with --boxes.
    top
        How many boxes to print and to draw.
    """
    words = wanted_words(wanted_labels(labels, least=1 if background.strip(", ") else 2), background)
    proposer = wanted_proposer(proposals, checkpoint, boxes, yaw)
    require_files([scan, *([proposer.file] if proposer.file else [])])
    require_place(out, scan)
    from opendlign.detected import detect as detect_in
    from opendlign.detected import read_scan, ready_proposer
    from opendlign.drawn_scene import write_detected

    propose = ready_proposer(proposer)
    found = namer(which)
    note_unread(found, words.all)
    seen = read_scan(scan, found, up)
    if seen.told:
        console.print(plain(seen.told), soft_wrap=True)
    things = detect_in(seen, propose(seen), found, words)
    console.print(plain(f"{scan}: {things.told}"), soft_wrap=True)
    console.print(_table(things, top))
    console.print(plain(", ".join(map(str, write_detected(things, out, top)))), soft_wrap=True)
    return 0


def _table(found: "Detected", top: int) -> Table:
    table = Table("", "label", "score", "centre", "size", title="y up, in metres")
    for place in range(min(top, len(found.found.scores))):
        box = found.found.boxes
        centre, size = (" ".join(f"{value:.2f}" for value in row[place]) for row in (box.centres, box.sizes))
        table.add_row(str(place + 1), plain(found.label(place)), f"{found.found.scores[place]:.2f}", centre, size)
    return table
