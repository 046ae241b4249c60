"""Speed and memory of ingestion, and the table of formats in docs/formats.md.

Measures, side by side in one run: objects that need no parsing (generated, rows of an HDF5 pack), meshes through one
and two parser processes, and exact farthest-point sampling against the usual loop. `--table` reads every real shape
at hand instead and writes what came back, format by format.
"""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import numpy.typing as npt

from opendlign_core.chance import object_rng
from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedObject,
    IngestExecution,
    IngestRecipe,
    Mesh,
    ObjectEntry,
    PointCloud,
    SourceSpec,
    UnreadableShape,
    ingest_entries,
    read_shape,
)
from opendlign_core.ingestion.cloud import Points
from opendlign_core.ingestion.packs import PACK_SUFFIXES, Pack
from opendlign_core.ingestion.readers import SUFFIXES
from opendlign_core.ingestion.reduce import farthest_indices
from opendlign_core.ingestion.sampling import Sampling, pick
from opendlign_core.ingestion.strata import connected_parts
from opendlign_core.ingestion.surface import Indices, Surface

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "ingestion.json"
DOCS = ROOT / "docs" / "formats.md"
MARKERS = ("<!-- table: begin -->", "<!-- table: end -->")

# Folders of shapes; the others hold lists, logs and packs, whose .txt and .json files are no clouds.
SHAPE_FOLDERS = (
    "animals/quaternius_glb",
    "bench_points",
    "bimnet10",
    "animals/skinned_hyperspectral",
    "capod15/",
    "lidar_objects_lsood",
    "meshes_formats",
    "modelnet10_1024",
    "modelnet40_normal_resampled_2cls/airplane",
    "psb/off",
    "scenes_mmdet3d/tests/data/scannet/scannet_train_instance_data/scene0000_00_vert_all.npy",
    "scenes_mmdet3d/tests/data/sunrgbd/sunrgbd_trainval/lidar",
    "shapenet10_semantic_robustness",
    "ycb_h5_pointclip",
)
NOT_SHAPES = (
    "mapping.json",
    "model_normalized.json",
    "wolf-1.json",
    "README.txt",
    "names.txt",
    "original.txt",
    "files.txt",
)


def entries_of(uris: list[tuple[str, int | None]]) -> list[ObjectEntry]:
    return [
        ObjectEntry(object_id=f"bench/{number}", source="bench", split="train", uri=uri, member=member)
        for number, (uri, member) in enumerate(uris)
    ]


def timed(entries: list[ObjectEntry], recipe: IngestRecipe, workers: int, files: DirectoryFiles | None) -> float:
    """Seconds for all entries, process start included."""
    before = time.perf_counter()
    outcomes = ingest_entries(entries, recipe, IngestExecution(workers=workers), files)
    assert all(isinstance(outcome, IngestedObject) for outcome in outcomes)
    return time.perf_counter() - before


def cheap_objects(folder: Path, objects: int) -> dict[str, float]:
    """Objects of 2,048 points that need no parsing."""
    recipe = IngestRecipe(source=SourceSpec(adapter="procedural"), points=2048)
    clouds = np.random.default_rng(0).normal(size=(objects, 2048, 3)).astype(np.float32)
    with h5py.File(folder / "pack.h5", "w") as file:
        file.create_dataset("data", data=clouds, compression="gzip", chunks=(1, 2048, 3))
    rows = entries_of([("pack.h5", row) for row in range(objects)])
    generated = entries_of([(f"procedural:{index}", None) for index in range(objects)])
    return {
        "objects": objects,
        "h5_rows_seconds": round(timed(rows, recipe, 2, DirectoryFiles(folder)), 2),
        "procedural_seconds": round(timed(generated, recipe, 2, None), 2),
    }


def write_sphere(path: Path, rings: int) -> None:
    """An ASCII OFF sphere of 2 * rings^2 triangles."""
    angles = np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, rings + 1)
    polar, around = np.meshgrid(*angles, indexing="ij")
    points = np.stack([np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], axis=-1)
    corner = np.arange(rings * (rings + 1)).reshape(rings, rings + 1)[:, :-1].reshape(-1)
    quads = np.stack([corner, corner + 1, corner + rings + 2, corner + rings + 1], axis=1)
    lines = [f"OFF\n{points.size // 3} {len(quads)} 0"]
    lines += [f"{x:.6f} {y:.6f} {z:.6f}" for x, y, z in points.reshape(-1, 3).tolist()]
    lines += [f"4 {a} {b} {c} {d}" for a, b, c, d in quads.tolist()]
    path.write_text("\n".join(lines) + "\n")


def mesh_objects(folder: Path, objects: int) -> dict[str, float]:
    """Meshes of 5,000 triangles sampled to 10,000 points: the pool against a single process."""
    write_sphere(folder / "sphere.off", 50)
    entries = entries_of([("sphere.off", None)] * objects)
    recipe = IngestRecipe(source=SourceSpec(adapter="folder"), points=10_000)
    one, two = (timed(entries, recipe, workers, DirectoryFiles(folder)) for workers in (1, 2))
    return {
        "objects": objects,
        "one_process_seconds": round(one, 2),
        "two_process_seconds": round(two, 2),
        "ratio": round(one / two, 2),
    }


def farthest_points(count: int, wanted: int) -> dict[str, float]:
    """Exact farthest-point sampling against the loop usually written over rows; the answers are equal."""
    points = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    before = time.perf_counter()
    ours = farthest_indices(points, wanted)
    middle = time.perf_counter()
    usual = row_loop(points, wanted, int(ours[0]))
    after = time.perf_counter()
    return {
        "points": count,
        "wanted": wanted,
        "seconds": round(middle - before, 2),
        "row_loop_seconds": round(after - middle, 2),
        "ratio": round((after - middle) / (middle - before), 2),
        "same_choice": bool(np.array_equal(ours, usual)),
    }


def row_loop(points: Points, wanted: int, current: int) -> npt.NDArray[np.int64]:
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    chosen = np.empty(wanted, dtype=np.int64)
    for step in range(wanted):
        chosen[step] = current
        nearest = np.minimum(nearest, ((points - points[current]) ** 2).sum(axis=1))
        current = int(nearest.argmax())
    return chosen


def big_clouds(folder: Path, points: int) -> dict[str, Any]:
    """One cloud of very many points, in two formats, to 4,096 of them: seconds and the parser's peak so far."""
    recipe = IngestRecipe(source=SourceSpec(adapter="folder"), points=4096)
    write_big_clouds(folder, points)
    measured = {}
    for name in ("big.npy", "big.xyz"):  # the one that needs less first: a peak is that of all children so far
        seconds = timed(entries_of([(name, None)]), recipe, 1, DirectoryFiles(folder))
        size = (folder / name).stat().st_size >> 20
        peak = peak_memory_mib()["largest_parser"]
        measured[name] = {"file_mib": size, "seconds": round(seconds, 1), "peak_mib": peak}
    return {"points": points, **measured}


def write_big_clouds(folder: Path, points: int) -> None:
    """In blocks, since a child's peak begins with the size of the process that starts it."""
    rng, block = np.random.default_rng(0), min(points, 500_000)
    with (folder / "big.npy").open("wb") as array, (folder / "big.xyz").open("w") as text:
        shape = {"descr": "<f4", "fortran_order": False, "shape": (points, 3)}
        np.lib.format.write_array_header_1_0(array, shape)
        for _ in range(points // block):
            rows = rng.normal(size=(block, 3)).astype("<f4")
            rows.tofile(array)
            text.writelines(f"{x:.5f} {y:.5f} {z:.5f}\n" for x, y, z in rows.tolist())


def sampled_extents(points: int) -> dict[str, Any]:
    """Of the Princeton meshes at hand: how many shrink, and how many parts get no point at all."""
    shapes = [read_shape(path) for path, key in real_shapes() if key.startswith("psb/off")]
    surfaces = [Surface(shape) for shape in shapes if isinstance(shape, Mesh)]
    parts = [connected_parts(surface, surface.solid) for surface in surfaces]
    counts: dict[str, Any] = {"meshes": len(surfaces), "parts": sum(len(np.unique(part)) for part in parts)}
    return {
        **counts,
        "points": points,
        **{name: lost_by(name, surfaces, parts, points) for name in get_args(Sampling)},
    }


def lost_by(sampling: Sampling, surfaces: list[Surface], parts: list[Indices], points: int) -> dict[str, float]:
    before = time.process_time()
    picked = [pick(surface, points, object_rng(0, str(n)), sampling) for n, surface in enumerate(surfaces)]
    seconds = time.process_time() - before
    missed = [
        len(np.setdiff1d(part, part[np.isin(surface.solid, picks.faces)]))
        for surface, part, picks in zip(surfaces, parts, picked, strict=True)
    ]
    shrunk = [surface.shrinkage(surface.points(picks).points) for surface, picks in zip(surfaces, picked, strict=True)]
    return {
        "shrunk_over_1_percent": sum(share > 0.01 for share in shrunk),
        "largest_percent": round(100 * max(shrunk), 1),
        "parts_without_a_point": sum(missed),
        "meshes_with_such_parts": sum(map(bool, missed)),
        "seconds": round(seconds, 2),
    }


def peak_memory_mib() -> dict[str, int]:
    """Largest resident size of this process and of any parser process so far."""
    kinds = {"ingest_process": resource.RUSAGE_SELF, "largest_parser": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(kind).ru_maxrss >> 10 for name, kind in kinds.items()}


def real_shapes() -> Iterator[tuple[Path, str]]:
    """Real shape files with their path below the data folder."""
    data = Path(os.environ.get("OPENDLIGN_DATA", ROOT.parent / "shared" / "data"))
    for path in sorted(data.rglob("*")):
        key = path.relative_to(data).as_posix()
        if key.startswith(SHAPE_FOLDERS) and path.suffix.lower() in SUFFIXES and not path.name.endswith(NOT_SHAPES):
            yield path, key


def shapes_of(path: Path) -> Iterator[PointCloud | Mesh]:
    """Every shape of a file: the one, or all rows of a pack."""
    rows = Pack(path).rows if path.suffix.lower() in PACK_SUFFIXES else 0
    if rows == 0:
        yield read_shape(path)
        return
    pack = Pack(path)
    for row in range(rows):
        yield pack.shape(row)[0]


def format_table() -> str:
    """One row per format: shapes read, their points or vertices, seconds, and the reasons of those refused."""
    tallies: dict[str, Counter[str]] = defaultdict(Counter)
    seconds: dict[str, float] = defaultdict(float)
    reasons: dict[str, list[str]] = defaultdict(list)
    for path, _ in real_shapes():
        suffix = path.suffix.lower()
        before = time.perf_counter()
        tallies[suffix]["files"] += 1
        try:
            for shape in shapes_of(path):
                tallies[suffix]["read"] += 1
                tallies[suffix]["points"] += len(shape.vertices if isinstance(shape, Mesh) else shape.points)
        except UnreadableShape as error:
            tallies[suffix]["refused"] += 1
            reasons[suffix].append(str(error).split(" (", 1)[0])
        seconds[suffix] += time.perf_counter() - before
    lines = ["| format | files | shapes read | refused | points or vertices | seconds | reasons |", "|" + "---|" * 7]
    for suffix in sorted(tallies):
        counts, why = tallies[suffix], "; ".join(reasons[suffix]).replace("|", "/")
        row = f"{counts['files']} | {counts['read']} | {counts['refused']} | {counts['points']:,}"
        lines.append(f"| `{suffix}` | {row} | {seconds[suffix]:.2f} | {why} |")
    return "\n".join(lines)


def write_table(table: str) -> None:
    text = DOCS.read_text()
    head, _, rest = text.partition(MARKERS[0])
    DOCS.write_text(f"{head}{MARKERS[0]}\n{table}\n{MARKERS[1]}{rest.partition(MARKERS[1])[2]}")


def renew(part: str, found: dict[str, Any]) -> None:
    """Renew one part of the results and nothing else of them."""
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    RESULTS.write_text(json.dumps(json.loads(RESULTS.read_text()) | {part: found}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the objects, and nothing is written")
    parser.add_argument("--big", action="store_true", help="only clouds of 20 million points")
    parser.add_argument("--sampling", action="store_true", help="only what sampling loses of real meshes")
    parser.add_argument("--table", action="store_true", help="only renew the table of docs/formats.md")
    arguments = parser.parse_args()
    if arguments.table:
        write_table(format_table())
        return
    if arguments.sampling:
        renew("sampling", sampled_extents(4096))
        return
    if arguments.big:
        with tempfile.TemporaryDirectory() as name:
            renew("big_clouds", big_clouds(Path(name), 20_000_000))
        return
    scale = 10 if arguments.quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = {
            "machine": f"{os.cpu_count()}-core {platform.machine()}",
            "versions": {"python": platform.python_version(), "numpy": np.__version__, "h5py": h5py.__version__},
            "cheap_objects": cheap_objects(folder, 1000 // scale),
            "meshes": mesh_objects(folder, 200 // scale),
            "sampling": sampled_extents(4096 // scale),
            "big_clouds": big_clouds(folder, 20_000_000 // scale),
            "farthest_points": [farthest_points(n // scale, 1_000 // scale) for n in (10_000, 100_000)],
            "peak_memory_mib": peak_memory_mib(),
        }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    if not arguments.quick:
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
