"""How fast evaluation is: features against a loop in the reference's manner, exact retrieval over a million vectors.

Both sides of a ratio are measured in this process, in turns, and the fastest of each is taken.

    python -m bench.evaluation [--quick] [--only features] [--device cuda]
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from opendlign_core.clip import ClipSpec, load_clip, unit_array
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import EvalSample, Floats, plan_for
from opendlign_core.evaluation.index import EmbeddingIndex
from opendlign_core.evaluation.index_file import IndexRow, write_index
from opendlign_core.evaluation.model import EvaluatedModel
from opendlign_core.evaluation.specs import METHODS
from opendlign_core.training import DepthAlignedCLIP

METHOD = METHODS["opendlign"]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def fastest(runs: int, *sides: Callable[[], object]) -> list[float]:
    """Seconds of every side, the fastest of `runs` rounds in which all take turns."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(runs):
        for seconds, side in zip(times, sides, strict=True):
            start = time.perf_counter()
            side()
            synchronize()
            seconds.append(time.perf_counter() - start)
    return [min(seconds) for seconds in times]


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def load_model(name: str, device: str) -> EvaluatedModel:
    spec = ClipSpec(model=name, weights="random")
    aligned = DepthAlignedCLIP(load_clip(spec, device)).to(device)
    with torch.no_grad():
        for parameter in aligned.trainable().values():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return EvaluatedModel.aligned(aligned, spec, f"random-{name}")


def random_objects(count: int, size: int) -> list[EvalSample]:
    rng = np.random.default_rng(0)
    return [EvalSample(str(i), None, rng.random((10, size, size), dtype=np.float32)) for i in range(count)]


def loop_features(model: EvaluatedModel, objects: list[EvalSample], batch: int) -> torch.Tensor:
    """As the reference goes: batches of objects, view after view, the whole tower with all tokens for every view."""
    aligned: Any = model.encoder
    parts = []
    with torch.no_grad():
        for start in range(0, len(objects), batch):
            depth = torch.from_numpy(np.stack([sample.depth for sample in objects[start : start + batch]]))
            images = (depth.unsqueeze(2).expand(-1, -1, 3, -1, -1) - MEAN) / STD
            views = []
            for view in range(10):
                branch = "base" if view < 5 else "depth"
                features = aligned._encode_all_tokens(images[:, view].to(model.device), branch)
                views.append(F.normalize(features, dim=-1))
            parts.append(torch.stack(views, dim=1).cpu())
    return torch.cat(parts)


def our_features(model: EvaluatedModel, objects: list[EvalSample], batch: int, precision: str) -> Floats:
    features = Extractor(model, plan_for(METHOD, 10), "model", precision, batch).extract(objects)
    return np.concatenate([features.base, features.depth], axis=1)


def bench_features(model_name: str, count: int, device: str, runs: int) -> dict[str, Any]:
    model = load_model(model_name, device)
    objects = random_objects(count, model.image_size)
    batch = 8 if device == "cpu" else 100
    plain: Callable[[], Any] = lambda: loop_features(model, objects, batch)  # noqa: E731
    exact: Callable[[], Any] = lambda: our_features(model, objects, 160, "float32")  # noqa: E731
    half: Callable[[], Any] = lambda: our_features(model, objects, 160, "bfloat16")  # noqa: E731
    expected, found = plain().numpy(), exact()
    result: dict[str, Any] = {
        "model": model_name,
        "device": device,
        "objects": count,
        "rounds": runs,
        "float32_max_difference": float(np.abs(expected - found).max()),
        "bfloat16": "measured" if device != "cpu" or has_matrix_unit() else "left out: this processor has no AMX",
    }
    sides = {"loop": plain, "float32": exact}
    if result["bfloat16"] == "measured":
        sides["bfloat16"] = half
        result["bfloat16_predictions_changed_percent"] = changed_percent(found, half())
    seconds = dict(zip(sides, fastest(runs, *sides.values()), strict=True))
    result |= {f"{name}_s": round(value, 3) for name, value in seconds.items()}
    faster = {name: round(seconds["loop"] / value, 3) for name, value in seconds.items() if name != "loop"}
    return result | {f"{name}_times_faster": ratio for name, ratio in faster.items()}


def has_matrix_unit() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware; others emulate it, slower than float32."""
    return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8")


def changed_percent(exact: Floats, coarse: Floats) -> float:
    """Share of objects whose nearest of forty class vectors differs; top-1 can move by no more than this."""
    rng = np.random.default_rng(1)
    centres = exact.mean(axis=1)
    text = unit_array(centres[rng.permutation(len(exact))[:40]])
    same = (exact @ text.T).sum(axis=1).argmax(axis=1) == (coarse @ text.T).sum(axis=1).argmax(axis=1)
    return round(100 * (1 - float(same.mean())), 3)


def bench_retrieval(count: int, width: int, runs: int, folder: Path) -> dict[str, Any]:
    path = folder / f"bench-index-{count}.parquet"
    rng = np.random.default_rng(0)
    block = unit_array(rng.normal(size=(16384, width)).astype(np.float32))
    rows = (IndexRow(str(i), None, np.roll(block[i % 16384], i // 16384)) for i in range(count))
    write_index(path, rows, "bench")
    start = time.perf_counter()
    index = EmbeddingIndex(path)
    loading = time.perf_counter() - start
    query = unit_array(rng.normal(size=(1, width)).astype(np.float32))
    matrix = torch.from_numpy(index.embeddings)
    search, read, plain = fastest(
        runs,
        lambda: index.search(query, 10),
        lambda: matrix.view(-1).sum(),
        lambda: np.argsort(-(index.embeddings @ query[0]))[:10],
    )
    path.unlink()
    gigabytes = index.embeddings.nbytes / 1e9
    return {
        "objects": count,
        "width": width,
        "gigabytes": round(gigabytes, 3),
        "load_s": round(loading, 2),
        "query_ms": round(1e3 * search, 1),
        "numpy_product_and_sort_ms": round(1e3 * plain, 1),
        "read_everything_once_ms": round(1e3 * read, 1),
        "query_gigabytes_per_s": round(gigabytes / search, 2),
        "share_of_reading_speed": round(read / search, 3),
        "peak_memory_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return {
        "cpu": f"{torch.get_num_threads()} threads of {names[0] if names else platform.machine()}",
        "load_average": round(os.getloadavg()[0], 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only", choices=["features", "retrieval"], help="measure one and keep the other's result")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="where the index file is written meanwhile")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "evaluation.json")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(min(2, torch.get_num_threads()))
    # Forty images take a CPU some seconds a side.
    count, runs = (1, 1) if options.quick else (4 if options.device == "cpu" else 400, 3)
    result = json.loads(options.out.read_text()) if options.out.exists() else {}
    result["machine"] = machine()
    if options.only != "retrieval":
        result["features"] = bench_features(options.model, count, options.device, runs)
    if options.only != "features":
        result["retrieval"] = bench_retrieval(20_000 if options.quick else 1_000_000, 512, 5 * runs, options.folder)
    print(json.dumps(result, indent=1))
    if not options.quick:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
