"""Boxes for scenes: how much of procedural rooms and of a real flat is found, how well it is named, what it costs.

`OMP_NUM_THREADS=1 python -m bench.scenes [--flat PREFIX] [--store STORE]` writes bench/results/scenes.json. PREFIX is
that of a scan in VoteNet's layout (`PREFIX_vert_all.npy`, `PREFIX_bbox.npy`); STORE holds a finished run of mini.
Seconds are those of the processor, on one thread. Parameters of the proposer were chosen on training rooms of seed 7
and on flats of four of them; those judged here are the test rooms of seed 0, alone and put together. `--device cuda`
times nothing but 3DETR-m there, against the CPU, and writes scenes_cuda.json.
"""

import argparse
import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.spatial import Delaunay

from bench.evaluation import fastest
from bench.projection import machine
from bench.reports import RESULTS, Report
from opendlign_core.boxes import Boxes
from opendlign_core.ingestion.procedural.rooms.room import LEAST_SEEN, procedural_room, scanned_room
from opendlign_core.overlap import hull_iou, iou
from opendlign_core.proposal.detr.model import propose as propose_by_detr
from opendlign_core.proposal.detr.network import Detr3d
from opendlign_core.proposal.detr.sampling import ball_query, farthest_points
from opendlign_core.proposal.detr.shape import DetrShape
from opendlign_core.proposal.proposals import Proposals
from opendlign_core.proposal.superpoints.proposing import propose
from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe
from opendlign_core.samples import Scene

TEST_ROOMS = [index for index in range(60) if index % 10 in (2, 7)]
BENCHMARKED = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
SUBSETS, DRAWS = (70_000, 50_000, 35_000, 20_000), range(4)
"""Points that are left of the flat, each so many times; looked at once the proposer was fixed."""
EVERYTHING = SuperpointsRecipe(most=100_000)
Row = dict[str, Any]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    made = work()
    return made, round(time.process_time() - started, 3)


def recalls(scenes: list[tuple[Any, Boxes]]) -> Row:
    """Return the share of boxes that are overlapped by more than 0.25 and 0.5, by all proposals and the best 256."""
    best: dict[str, list[Any]] = {"all": [], "256": []}
    seconds, counts = [], []
    for points, there in scenes:
        found, took = timed(partial(propose, points, EVERYTHING))
        seconds.append(took)
        counts.append(len(found.boxes))
        for name, some in (("all", found.boxes), ("256", found.boxes[:256])):
            best[name].append(hull_iou(some.hulls(), there.hulls()).max(0))
    row: Row = {"scenes": len(scenes), "boxes": sum(len(there) for _, there in scenes)}
    for name, overlaps in best.items():
        row[f"recall_{name}"] = shares(np.concatenate(overlaps))
    return row | {"proposals": round(float(np.mean(counts))), "seconds": max(seconds)}


def shares(best: Any) -> Row:
    """Return how many of these overlaps are above 0.25 and 0.5."""
    return {str(least): round(float((best > least).mean()), 3) for least in (0.25, 0.5)}


def furnished(index: int) -> tuple[Any, Boxes]:
    """Return a test room with boxes around its things and around what is fixed to its walls."""
    room = scanned_room(0, index)
    fixed = len(room.layout.things) + len(room.layout.shell.fixtures)
    own = [room.points[room.owner == solid] for solid in range(fixed) if room.seen(solid) >= LEAST_SEEN]
    return room.points, Boxes.between([points.min(0) for points in own], [points.max(0) for points in own])


def put_together(rooms: list[tuple[Any, Boxes]]) -> tuple[Any, Boxes]:
    """Return four rooms as a flat, two by two, a hand between their walls."""
    widest, deepest = (max(float(np.ptp(points[:, axis])) for points, _ in rooms) + 0.1 for axis in (0, 2))
    moved = []
    for place, (points, boxes) in enumerate(rooms):
        to = np.array([place % 2 * widest, 0.0, place // 2 * deepest]) - points.min(0) * [1, 0, 1]
        moved.append((points + to, Boxes(boxes.centres + to, boxes.sizes, boxes.yaws)))
    return np.concatenate([points for points, _ in moved]), Boxes.together([boxes for _, boxes in moved])


def turned(rooms: list[Scene]) -> Row:
    """Return how well the whole things of rooms, as turned as they are, are boxed along the axes and turned."""
    row: Row = {}
    for name, yaw in (("along the axes", False), ("turned", True)):
        found = [(propose(room.points, SuperpointsRecipe(yaw=yaw)).boxes, room.whole) for room in rooms]
        row[name] = shares(np.concatenate([iou(boxes, whole).max(0) for boxes, whole in found if whole is not None]))
    return row


def flat(prefix: str) -> tuple[Any, Boxes]:
    points = np.load(f"{prefix}_vert_all.npy")[:, [0, 2, 1]] * [1, 1, -1]
    rows = np.load(f"{prefix}_bbox.npy")
    rows = rows[np.isin(rows[:, 6], BENCHMARKED)]
    return points, Boxes.of(rows[:, [0, 2, 1]] * [1, 1, -1], rows[:, [3, 5, 4]])


def subsets(scan: tuple[Any, Boxes]) -> dict[str, Row]:
    """Return the recalls of random subsets of a scan's points, by how many these are: how much one number can say."""
    points, there = scan
    rows: dict[str, Row] = {}
    for count in SUBSETS:
        draws = [np.random.default_rng(seed).choice(len(points), count, replace=False) for seed in DRAWS]
        found = [recalls([(points[draw], there)]) for draw in draws]
        rows[str(count)] = {
            f"{which} {least}": spread([row[which][least] for row in found])
            for which in ("recall_all", "recall_256")
            for least in ("0.25", "0.5")
        }
    return rows


def spread(values: list[float]) -> Row:
    """Return the mean of values, their standard deviation, and each."""
    return {"mean": round(float(np.mean(values)), 3), "sd": round(float(np.std(values, ddof=1)), 3), "each": values}


def forward(points: Any) -> Row:
    """Return seconds of 3DETR-m with random weights on 40,000 points, and of its point operations."""
    torch.manual_seed(0)
    chosen = points[np.random.default_rng(0).choice(len(points), 40_000, replace=len(points) < 40_000)]
    model = Detr3d(DetrShape()).eval()
    torch.nn.init.normal_(model.pos_embedding.gauss_B)
    propose_by_detr(model, chosen)
    _, whole = timed(lambda: propose_by_detr(model, chosen))
    cloud = torch.from_numpy(chosen.astype(np.float32))
    indices, farthest = timed(lambda: farthest_points(cloud, 2048))
    _, ball = timed(lambda: ball_query(cloud, cloud[indices], 0.2, 64))
    return {"seconds": whole, "farthest_points": farthest, "ball_query": ball}


def on_device(points: Any, device: str) -> Row:
    """Return seconds on the clock of 3DETR-m with random weights on 40,000 points, there and on the CPU."""
    torch.manual_seed(0)
    chosen = points[np.random.default_rng(0).choice(len(points), 40_000, replace=len(points) < 40_000)]
    here = Detr3d(DetrShape()).eval()
    torch.nn.init.normal_(here.pos_embedding.gauss_B)
    there = copy.deepcopy(here).to(device)
    slow, fast = fastest(3, lambda: propose_by_detr(here, chosen), lambda: propose_by_detr(there, chosen))
    return {"cpu_seconds": round(slow, 3), "seconds": round(fast, 3), "times_faster": round(slow / fast, 1)}


def emptiness(points: Any) -> Row:
    """Return milliseconds to fill 256 turned boxes with 40,000 points, and how often those a triangulation takes."""
    rng = np.random.default_rng(0)
    shown = points[rng.choice(len(points), 40_000, replace=len(points) < 40_000)]
    boxes = Boxes.of(shown[rng.choice(len(shown), 256)], rng.uniform(0.3, 1.5, (256, 3)), rng.uniform(-3, 3, 256))
    boxes.contain(shown)
    ours, direct = timed(lambda: boxes.contain(shown))
    theirs, slow = timed(lambda: np.array([Delaunay(corners).find_simplex(shown) >= 0 for corners in boxes.corners()]))
    return {
        "boxes": len(boxes),
        "points": len(shown),
        "milliseconds": round(1000 * direct),
        "times_faster": round(slow / max(direct, 1e-3), 1),
        "differing": float((ours != theirs).mean()),
    }


def named(store: str, rooms: list[Scene]) -> Row:
    """Return AP of the last mini run's model in the test rooms, from surfaces and from the true boxes."""
    from opendlign.asked_things import Words
    from opendlign.detected import Scan, detect
    from opendlign.models import Which
    from opendlign.naming import namer
    from opendlign_core.evaluation.detection.detections import Objects
    from opendlign_core.evaluation.detection.metrics import score_detections

    model = namer(Which(store=store))
    names = tuple(sorted({thing for room in rooms for thing in room.meta.things}))
    row: Row = {"names": len(names)}
    for how in ("superpoints", "true boxes"):
        scenes = []
        for room in rooms:
            true = Proposals(room.boxes, np.ones(len(room.boxes)))
            proposals = true if how == "true boxes" else propose(room.points)
            there = Objects(room.boxes, np.array([names.index(thing) for thing in room.meta.things]))
            scenes.append((detect(Scan(room.points), proposals, model, Words(names)).found, there))
        scores = {f"AP{percent}": score_detections(scenes, percent / 100) for percent in (25, 50)}
        row[how] = {name: round(100 * score.mean_average_precision, 1) for name, score in scores.items()}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flat", help="prefix of a real scan's files")
    parser.add_argument("--store", help="a store with a finished run of mini")
    parser.add_argument("--device", help="time 3DETR-m there, and nothing else")
    arguments = parser.parse_args()
    if arguments.device:
        report = Report(RESULTS / f"scenes_{arguments.device}.json", machine())
        report.add("3detr", lambda: on_device(procedural_room(0, TEST_ROOMS[1]).points, arguments.device))
        report.end()
        return
    torch.set_num_threads(1)
    report = Report(RESULTS / "scenes.json", machine())
    rooms = [procedural_room(0, index) for index in TEST_ROOMS]
    report.add("rooms", lambda: recalls([(room.points, room.boxes) for room in rooms]))
    with_walls = [furnished(index) for index in TEST_ROOMS]
    report.add("rooms and what is fixed to walls", lambda: recalls(with_walls))
    flats = [put_together(with_walls[first : first + 4]) for first in (0, 4, 8)]
    report.add("flats of four rooms", lambda: recalls(flats))
    report.add("turned", lambda: turned(rooms))
    if arguments.flat:
        report.add("flat", lambda: recalls([flat(arguments.flat)]))
        report.add("subsets of the flat", lambda: subsets(flat(arguments.flat)))
    report.add("3detr", lambda: forward(rooms[1].points))
    report.add("points in boxes", lambda: emptiness(rooms[1].points.astype(np.float64)))
    if arguments.store:
        report.add("named", lambda: named(arguments.store, rooms))
    report.end()


if __name__ == "__main__":
    main()
