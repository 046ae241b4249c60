"""Cost of training: the cached trainer against a loop that runs every layer in every epoch, side by side.

    python -m bench.training            CPU: ViT-B-32 with random weights, 8 objects of 10 views
    python -m bench.training --cuda     CUDA: ViT-H-14-quickgelu: cache build (MFU), cached epoch, peak memory

Writes `bench/results/training_cpu.json` or `training_cuda.json`.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
import torch
from torch import Tensor

from opendlign_core.clip import ClipSpec, depth_to_input, images_to_input, load_clip, object_features
from opendlign_core.loop import Trainer
from opendlign_core.training import (
    CacheEntries,
    DepthAlignedCLIP,
    DepthBranchLearner,
    Objects,
    TrainRecipe,
    build_entries,
)
from opendlign_core.training.depth_branch.losses import alignment

RESULTS = Path(__file__).parent / "results"
EPOCHS = 10
VIEWS = 10
SHAPENET = 52_470


def random_objects(count: int, size: int) -> Objects:
    generator = torch.Generator().manual_seed(0)
    depth = torch.rand((count, VIEWS, size, size), generator=generator)
    images = torch.randint(0, 256, (count, VIEWS, size, size, 3), generator=generator, dtype=torch.uint8)
    return Objects(depth, images)


def timed(action: Callable[[], object]) -> float:
    synchronise()
    start = time.perf_counter()
    action()
    synchronise()
    return time.perf_counter() - start


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


class ReferenceLoop:
    """Training as the published script does it: per object, all tokens through all blocks, in every epoch."""

    def __init__(self, spec: ClipSpec) -> None:
        self.model = DepthAlignedCLIP(load_clip(spec))
        self.learner = DepthBranchLearner(self.model, TrainRecipe(clip=spec, trainer="plain"))
        self.spec = spec

    def epoch(self, objects: Objects) -> None:
        depth = torch.stack([self.encode(depth_to_input(views, self.spec), True) for views in objects.depth])
        with torch.no_grad():
            image = torch.stack([self.encode(images_to_input(views, self.spec), False) for views in objects.images])
        learner = self.learner
        loss = alignment(object_features(depth), object_features(image), learner.log_scale, learner.recipe)
        learner.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss.total)
        learner.optimiser.step()

    def encode(self, pixels: Tensor, depth: bool) -> Tensor:
        visual = self.model.clip.visual
        tokens = visual._embeds(pixels)
        for block in visual.transformer.resblocks[:-1]:
            tokens = block(tokens)
        output = visual.transformer.resblocks[-1](tokens)
        if depth:
            output = 0.5 * output + 0.5 * self.model.depth_blocks[0](tokens)
        features: Tensor = visual._pool(output)[0] @ visual.proj
        return features


class Cost(NamedTuple):
    """Seconds on the clock, and of processor time, which a busy machine distorts less."""

    wall: float
    cpu: float


def cost(action: Callable[[], object]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def cheapest(costs: list[Cost]) -> Cost:
    return Cost(min(cost.wall for cost in costs), min(cost.cpu for cost in costs))


def bench_cpu(quick: bool) -> dict[str, Any]:
    repeats = 1 if quick else 4
    spec = ClipSpec(model="ViT-B-32", weights="random")
    objects = random_objects(8, spec.image_size)
    reference = ReferenceLoop(spec)
    learner = DepthBranchLearner(DepthAlignedCLIP(load_clip(spec)), TrainRecipe(clip=spec, batch_size=8))
    trainer, cache = Trainer(learner, 100), learner.recipe.cache_recipe()
    kept: list[CacheEntries] = []
    epochs, builds, steps = [], [], []
    for _ in range(repeats):
        epochs.append(cost(lambda: reference.epoch(objects)))
        builds.append(cost(lambda: kept.append(build_entries(learner.model, objects, cache))))
        steps += [cost(lambda: trainer.train_step(kept[0], 8)) for _ in range(10)]
        del kept[1:]
    seconds = {
        "reference_epoch": cheapest(epochs),
        "cache_build": cheapest(builds),
        "cached_epoch": cheapest(steps),
    }
    return {
        "workload": "ViT-B-32, random weights, 8 objects x 10 views in one batch, float32, minima of repeats",
        "repeats": repeats,
        "load_average": round(os.getloadavg()[0], 1),
        "seconds": {name: {"wall": round(c.wall, 4), "cpu": round(c.cpu, 4)} for name, c in seconds.items()},
        "wall": ratios({name: c.wall for name, c in seconds.items()}),
        "cpu": ratios({name: c.cpu for name, c in seconds.items()}),
        "targets": {"ten_epoch_ratio": 9.0, "epoch_ratio": 100.0},
    }


def ratios(seconds: dict[str, float]) -> dict[str, float]:
    cached = seconds["cache_build"] + EPOCHS * seconds["cached_epoch"]
    return {
        "ten_epoch_ratio": round(EPOCHS * seconds["reference_epoch"] / cached, 2),
        "epoch_ratio": round(seconds["reference_epoch"] / seconds["cached_epoch"], 1),
    }


def bench_cuda(quick: bool) -> dict[str, Any]:
    """Cache build, cached epoch from GPU and from pinned memory, each scaled from what was run to what is claimed."""
    from opendlign_core.loop import InMemory
    from opendlign_core.training.depth_branch.cache import place

    device = torch.device("cuda")
    torch.cuda.reset_peak_memory_stats()
    spec = ClipSpec(model="ViT-H-14-quickgelu", weights="random")
    recipe = TrainRecipe(clip=spec, precision="bfloat16", cache_dtype="bfloat16")
    model = DepthAlignedCLIP(load_clip(spec)).to(device)
    objects = Objects(*(tensor.to(device) for tensor in random_objects(32 if quick else 128, spec.image_size)))

    def build() -> CacheEntries:
        return build_entries(model, objects, recipe.cache_recipe(), objects_per_forward=16)

    entries = build()
    rate = len(objects.depth) / min(timed(build) for _ in range(2 if quick else 5))
    flops = 2 * cache_macs(model)
    limit = matmul_limit(device)
    result: dict[str, Any] = {
        "workload": "ViT-H-14-quickgelu, random weights, 10 views of 224 x 224, bfloat16 prefix and cache",
        "build_objects_per_second": round(rate, 2),
        "build_tflops": round(rate * flops / 1e12, 1),
        "matmul_limit_tflops": round(limit / 1e12, 1),
        "mfu": round(rate * flops / limit, 3),
        "build_peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1),
    }
    count = 600 if quick else 3000
    index = torch.arange(count) % len(entries.tokens)
    host = CacheEntries(*(tensor.cpu()[index] for tensor in entries))
    for name, placement in (("device", "device"), ("pinned", "host")):
        torch.cuda.reset_peak_memory_stats()
        source = place(InMemory(host), device, placement)  # type: ignore[arg-type]
        seconds = cached_epoch(model, source, recipe, count)
        result[f"epoch_of_50000_seconds_{name}"] = round(seconds * 50_000 / count, 2)
        result[f"epoch_peak_gib_{name}"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
        del source
    minutes = (SHAPENET / rate + EPOCHS * result["epoch_of_50000_seconds_pinned"] * SHAPENET / 50_000) / 60
    result["shapenet_ten_epochs_gpu_minutes"] = round(minutes, 1)
    result["objects_in_the_timed_epoch"] = count
    result["targets"] = {"mfu": 0.5, "epoch_of_50000_seconds_pinned": 60, "shapenet_ten_epochs_gpu_minutes": 20}
    return result


def cached_epoch(model: DepthAlignedCLIP, source: Any, recipe: TrainRecipe, count: int) -> float:
    from opendlign_core.loop.order import epoch_order

    trainer = Trainer(DepthBranchLearner(model, recipe), 10 * count)

    def epoch() -> None:
        order = epoch_order(source.sizes, 0, 0)
        for start in range(0, count, recipe.batch_size):
            batch = order[start : start + recipe.batch_size]
            trainer.train_step(source.batch(batch), len(batch))

    epoch()
    return timed(epoch)


def cache_macs(model: DepthAlignedCLIP) -> float:
    """Multiply-adds per object: both prefixes in full, the last block for its CLS row."""
    visual = model.clip.visual
    width, tokens = visual.positional_embedding.shape[1], visual.positional_embedding.shape[0]
    blocks, patch = len(visual.transformer.resblocks), visual.patch_size[0]
    ratio = visual.transformer.resblocks[0].mlp.c_fc.out_features / width
    block = (4 + 2 * ratio) * tokens * width**2 + 2 * tokens**2 * width
    row = (4 + 2 * ratio) * width**2 + 2 * visual.transformer.resblocks[0].attn.num_heads * tokens * width
    view = (tokens - 1) * 3 * patch**2 * width + (blocks - 1) * block + row + width * visual.proj.shape[1]
    return float(2 * VIEWS * view)


def matmul_limit(device: torch.device) -> float:
    """The card's bfloat16 rate on large square products, measured now."""
    left = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)

    def product() -> None:
        for _ in range(20):
            torch.mm(left, left)

    product()
    return 20 * 2 * 8192**3 / min(timed(product) for _ in range(3))


def environment() -> dict[str, Any]:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "machine": f"{os.cpu_count()}-core {platform.machine()}, {torch.get_num_threads()} threads, shared",
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "open_clip": open_clip.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--cuda", action="store_true", help="measure the GPU section")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.cuda and not torch.cuda.is_available():
        raise SystemExit("bench.training --cuda needs a CUDA device; run without --cuda for the CPU section")
    name = "training_cuda" if options.cuda else "training_cpu"
    result = (bench_cuda if options.cuda else bench_cpu)(options.quick) | {"environment": environment()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
