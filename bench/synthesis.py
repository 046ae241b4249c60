"""Synthesis: what painting costs, side by side in one run.

`python -m bench.synthesis [--quick]` measures the embedded painter and a small ControlNet stage on the CPU and writes
bench/results/synthesis.json; `bench.synthesis_cuda` measures Stable Diffusion on a GPU.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.projection import chair
from opendlign_core.projection import project
from opendlign_core.samples import DepthMaps, ImageRecipe, Meta, Painted, encode_image
from opendlign_core.synthesis import (
    ControlNetRecipe,
    ModelRef,
    SynthesisExecution,
    SynthesisRecipe,
    Synthesizer,
    load_synthesizer,
    synthesize_objects,
)
from opendlign_core.synthesis.controlnet import ControlNetSynthesizer
from opendlign_core.synthesis.gate import judge
from opendlign_core.synthesis.shaded import ShadedSynthesizer
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.shards import ShardWriter
from storage.stores import open_store

RESULTS = Path(__file__).parent / "results" / "synthesis.json"
VIEWS = 10
OPEN_GATE = {"minimum_brightness": 0, "minimum_variation": 0, "minimum_edge_agreement": 0}
Row = dict[str, Any]


def depth_maps(objects: int) -> NDArray[np.float32]:  # [objects, 10, 224, 224]
    return project(torch.stack([chair(4096, seed) for seed in range(objects)])).numpy()


def per_second(work: Callable[[], Any], items: int, repeats: int) -> dict[str, float]:
    """Items per second of CPU time of this process: the median and the best of some repeats."""
    work()
    rates = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        rates.append(items / (time.process_time() - started))
    return {"median": round(float(np.median(rates)), 1), "best": round(max(rates), 1)}


def bench_shaded(repeats: int) -> Row:
    """The embedded painter on one thread, then what the gate and the encoders add."""
    depth = depth_maps(4).reshape(-1, 224, 224)
    prompts = [f"A realistic {word} chair." for word in ("red wooden", "metal", "", "blue plastic")] * VIEWS
    painter, seeds = ShadedSynthesizer(), range(len(depth))
    images = painter.generate(depth, prompts, seeds)
    small = np.ascontiguousarray(depth[:, ::4, ::4])
    rows: Row = {
        "images_224_per_second_per_core": per_second(lambda: painter.generate(depth, prompts, seeds), 40, repeats),
        "images_56_per_second_per_core": per_second(lambda: painter.generate(small, prompts, seeds), 40, repeats),
    }
    recipe = SynthesisRecipe()
    pairs = list(zip(images, depth, strict=True))
    rows["gate_per_second_per_core"] = per_second(
        lambda: [judge(image, view, True, recipe.gate) for image, view in pairs], 40, repeats
    )
    for kind in ("webp", "jpeg"):
        form = ImageRecipe.model_validate({"format": kind})
        rows[f"{kind}_per_second_per_core"] = per_second(partial(encode_all, images, form), 40, repeats)
        rows[f"{kind}_bytes"] = round(sum(map(len, encode_all(images, form))) / len(images))
    return rows


def encode_all(images: NDArray[np.uint8], form: ImageRecipe) -> list[bytes]:
    return [encode_image(image, form) for image in images]


def bench_processes(objects: int, repeats: int) -> Row:
    """Images of 64 pixels a second, painted, judged and encoded, by one process and by others, by turns."""
    small = np.ascontiguousarray(depth_maps(8)[..., ::4, ::4])
    named = [
        Meta(object_id=f"chair/{number}", source="chair", split="train", caption="red chair")
        for number in range(objects)
    ]
    chairs = [DepthMaps.of(meta, small[number % len(small)]) for number, meta in enumerate(named)]
    recipe = SynthesisRecipe(image=ImageRecipe(format="jpeg"))
    painters = {count: ShadedSynthesizer(workers=count) for count in (1, os.cpu_count() or 2)}
    for painter in painters.values():
        painter.prepare(objects * VIEWS)
    seconds: dict[int, list[float]] = {count: [] for count in painters}
    for _ in range(repeats):
        for count, painter in painters.items():
            seconds[count].append(clock(lambda: deque(synthesize_objects(chairs, recipe, painter), maxlen=0)))  # noqa: B023
    rates = {count: objects * VIEWS / float(np.median(taken)) for count, taken in seconds.items()}
    few, many = rates
    return {"processes": many, "images_per_second": {count: round(rate, 1) for count, rate in rates.items()},
            "times_faster": round(rates[many] / rates[few], 2)}  # fmt: skip


def bench_overhead(folder: Path, objects: int) -> Row:
    """The share of a small ControlNet stage that is not spent in its networks and sampler."""
    from tests.synthesis.networks import save_networks

    save_networks(folder)
    recipe = SynthesisRecipe.model_validate({"synthesizer": controlnet(folder, 64, "float32"), "gate": OPEN_GATE})
    painter = load_synthesizer(recipe, SynthesisExecution(device="cpu"))
    assert isinstance(painter, ControlNetSynthesizer)
    inside = [0.0]
    for name in ("denoise", "encode", "_pixels"):
        setattr(painter, name, timed(getattr(painter, name), inside))
    total = stage_seconds(depth_maps(objects)[..., ::2, ::2], recipe, painter, SynthesisExecution())
    return {
        "images": objects * VIEWS,
        "seconds": round(total, 2),
        "share_outside": round(1 - inside[0] / total, 4),
    }


def timed(work: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        started = time.perf_counter()
        result = work(*arguments)
        spent[0] += time.perf_counter() - started
        return result

    return run


def controlnet(folder: Path, side: int, dtype: str, **changes: Any) -> ControlNetRecipe:
    base, control = ModelRef(id=str(folder)), ModelRef(id=str(folder / "controlnet"))
    fields = {"base": base, "controlnet": control, "generation_size": side, "dtype": dtype}
    return ControlNetRecipe.model_validate({**fields, **changes})


def stage_seconds(
    depth: NDArray[np.float32], recipe: SynthesisRecipe, painter: Synthesizer, execution: SynthesisExecution
) -> float:
    """The time of one shard from a store to a store: read, paint, judge, encode, pack, hash, commit."""
    with tempfile.TemporaryDirectory(prefix="opendlign-bench-") as folder:
        store, tar = open_store(Path(folder) / "store"), Path(folder) / "shard.tar"
        plan = plan_shards(len(depth), len(depth))
        source = StageOutput(store, StageIdentity.of("project", 1, recipe))
        with ShardWriter(tar) as writer:
            for number, maps in enumerate(depth):
                meta = Meta(object_id=f"chair/{number}", source="chair", split="train", caption="red chair")
                stored = DepthMaps.of(meta, maps)
                writer.add(stored.key, stored.fields())
        source.commit_shard(0, tar, writer.samples)
        depths, target = source.commit_manifest(plan), StageOutput(store, StageIdentity.of("synthesize", 1, recipe))

        def run() -> None:
            with SampleReader(store, depths) as reader, ShardWriter(tar) as writer:
                objects = (DepthMaps.read(sample.key, sample.fields) for sample in reader)
                for outcome in synthesize_objects(objects, recipe, painter, execution):
                    if isinstance(outcome, Painted):
                        writer.add(outcome.key, outcome.fields())
            target.commit_shard(0, tar, writer.samples)

        seconds = clock(run)
        assert target.records(plan)[0].samples == len(depth), "some objects were rejected"
    return seconds


def clock(work: Callable[[], Any]) -> float:
    """Seconds that some work takes, on the GPU too where there is one."""
    finish: Callable[[], None] = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    finish()
    started = time.perf_counter()
    work()
    finish()
    return time.perf_counter() - started


def processor() -> str:
    """The processor's model as Linux tells it, elsewhere its architecture."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def machine() -> Row:
    import diffusers

    names = {"torch": torch.__version__, "diffusers": diffusers.__version__, "numpy": np.__version__}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {"name": f"{os.cpu_count()}-core {processor()}", "gpu": device, "load_at_start": load, **names}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and objects")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results: Row = {"machine": machine(), "shaded": bench_shaded(3 if options.quick else 9)}
    results["painter_processes"] = bench_processes(20 if options.quick else 100, 3 if options.quick else 5)
    with tempfile.TemporaryDirectory() as folder:
        results["small_controlnet_stage"] = bench_overhead(Path(folder), 1 if options.quick else 4)
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(options.out.read_text())


if __name__ == "__main__":
    main()
