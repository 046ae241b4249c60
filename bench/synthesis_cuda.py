"""Stable Diffusion 1.5 with a depth ControlNet (published architecture, random weights) on a CUDA device.

`python -m bench.synthesis_cuda [--quick]` measures the whole synthesize stage, from depth shards to image shards, for
DDIM 20, UniPC 10 and LCM 4, against a plain diffusers loop and the card's own matmul rate in the same run. It writes
bench/results/synthesis_cuda.json row by row.
"""

import argparse
import os
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.reports import RESULTS, Report
from bench.synthesis import OPEN_GATE, clock, controlnet, depth_maps, machine, stage_seconds
from opendlign_core.synthesis import (
    ControlNetRecipe,
    SynthesisExecution,
    SynthesisRecipe,
    Synthesizer,
    estimate_cost,
    load_synthesizer,
)

SHAPENET, VIEWS = 52_470, 10
OPTIONS: dict[str, dict[str, Any]] = {
    "ddim20": {"scheduler": "ddim", "steps": 20},
    "unipc10": {"scheduler": "unipc", "steps": 10},
    "lcm4": {"scheduler": "lcm", "steps": 4, "guidance": 1.0},
}
Row = dict[str, Any]


class BusyShare:
    """The share of time in which the GPU ran a kernel, as its driver tells it, sampled while a `with` block runs."""

    def __init__(self) -> None:
        self.samples: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "BusyShare":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(0.1):
            try:
                self.samples.append(torch.cuda.utilization())
            except Exception as error:  # without the driver's library there is nothing to say
                print(f"the GPU's load cannot be read: {error}")
                return

    @property
    def share(self) -> float | None:
        return round(sum(self.samples) / len(self.samples) / 100, 3) if self.samples else None


def save_sd15(folder: Path) -> None:
    """Stable Diffusion 1.5 and its depth ControlNet: the published architecture, random weights."""
    from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline
    from diffusers import UNet2DConditionModel as UNet
    from transformers import CLIPTextConfig, CLIPTextModel

    from tests.synthesis.networks import small_tokenizer

    widths = (320, 640, 1280, 1280)
    unet = UNet(sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=widths)
    blocks = 4
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
    )
    tokenizer = small_tokenizer(77)
    text = CLIPTextConfig(
        vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    StableDiffusionControlNetPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=unet,
        controlnet=ControlNetModel.from_unet(unet),
        scheduler=DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(torch.float16).save_pretrained(folder)


def matmul_rate(device: str, size: int = 8192, repeats: int = 50) -> float:
    """TFLOP per second of a bfloat16 product on this device."""
    one = torch.randn(size, size, device=device, dtype=torch.bfloat16)

    def products(count: int) -> None:
        for _ in range(count):
            one @ one

    products(5)
    return 2 * size**3 * repeats / clock(lambda: products(repeats)) / 1e12


def plain_loop(folder: Path, depth: NDArray[np.float32], device: str, side: int) -> float:
    """Images per second of the pipeline called once per object with default settings, in half precision on a GPU."""
    from diffusers import StableDiffusionControlNetPipeline

    precision = torch.float16 if device == "cuda" else torch.float32
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(folder).to(device, precision)
    pipeline.set_progress_bar_config(disable=True)

    def paint(objects: NDArray[np.float32]) -> None:
        for maps in objects:
            images = torch.from_numpy(1 - maps)[:, None].expand(-1, 3, -1, -1)
            prompts = ["A realistic chair."] * len(maps)
            pipeline(prompts, image=images, height=side, width=side, num_inference_steps=20)

    paint(depth[:1])
    return len(depth) * len(depth[0]) / clock(lambda: paint(depth))


def tflop_per_image(painter: Synthesizer, depth: NDArray[np.float32], prompt: str) -> float:
    """Counted, not estimated, over four images."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        painter.paint(depth[:4], [prompt] * 4, range(4))
    return float(counter.get_total_flops()) / 4e12


def option(painter_recipe: ControlNetRecipe, depth: NDArray[np.float32], device: str, compile: bool = False) -> Row:
    """The whole stage from depth shards to image shards, and how much of it the GPU had work."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    recipe = SynthesisRecipe.model_validate({"synthesizer": painter_recipe, "gate": OPEN_GATE})
    execution = SynthesisExecution(device=device, compile=compile, workers=os.cpu_count() or 2)
    painter = load_synthesizer(recipe, execution)
    prompt = recipe.prompt.prompt("chair")
    flat = depth.reshape(-1, *depth.shape[2:])
    flops = 0.0 if compile else tflop_per_image(painter, flat, prompt)
    batch = flat[np.arange(painter.batch_size) % len(flat)]
    work = partial(painter.paint, batch, [prompt] * len(batch), range(len(batch)))
    work()  # compiles, or finds out what fits into memory
    painting = clock(work) / len(batch)
    with BusyShare() as busy:
        seconds = stage_seconds(depth, recipe, painter, execution)
    rate = len(flat) / seconds
    cost = estimate_cost(recipe, rate, SHAPENET, VIEWS)
    row = {
        "images": len(flat), "images_per_second": round(rate, 2), "batch_size": painter.batch_size,
        "painting_share_of_stage": round(min(1.0, painting * rate), 3),
        "gpu_busy_share_of_stage": busy.share,
        "shapenet_gpu_hours": round(cost.gpu_hours, 2), "shapenet_gigabytes": round(cost.image_bytes / 1e9, 2),
        "peak_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
    }  # fmt: skip
    return row | ({"tflop_per_image": float(f"{flops:.4g}")} if flops else {})


def against(plain: float | None, matmul: float | None, rows: list[Row | None]) -> Row:
    """What the paper's settings reach: against the plain loop, and of the card's matmul rate."""
    done = [row for row in rows if row]
    best = max(row["images_per_second"] for row in done)
    flops = next(row["tflop_per_image"] for row in done if "tflop_per_image" in row)
    return {
        "images_per_second": best,
        "times_plain_loop": round(best / plain, 2) if plain else None,
        "share_of_matmul_rate": round(best * flops / matmul, 3) if matmul else None,
    }


def measure(report: Report, folder: Path, depth: NDArray[np.float32], device: str = "cuda", **changes: Any) -> None:
    """All rows, the paper's settings first; `changes` of the recipe make it small."""
    common = {"side": 256, "dtype": "bfloat16", **changes}
    few = depth[: max(2, len(depth) // 8)]

    def row(name: str, compile: bool = False) -> Row | None:
        painter = controlnet(folder, **{**common, **OPTIONS[name]})
        done: Row | None = report.add(
            f"{name}_compiled" if compile else name, partial(option, painter, depth, device, compile)
        )
        return done

    eager = row("ddim20")
    matmul = report.add("bf16_matmul_tflops", partial(matmul_rate, device, 8192 if device == "cuda" else 64))
    plain = report.add("plain_loop_images_per_second", partial(plain_loop, folder, few, device, common["side"]))
    report.add("ddim20_against", lambda: against(plain, matmul, [eager]))
    row("unipc10")
    row("lcm4")
    compiled = row("ddim20", compile=True)
    report.add("ddim20_best_against", lambda: against(plain, matmul, [eager, compiled]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer objects")
    objects = 32 if parser.parse_args().quick else 128
    if not torch.cuda.is_available():
        print("no CUDA device on this machine: nothing measured")
        return
    report = Report(RESULTS / "synthesis_cuda.json", machine())
    with tempfile.TemporaryDirectory() as folder:
        save_sd15(Path(folder))
        measure(report, Path(folder), depth_maps(objects))
    report.end()


if __name__ == "__main__":
    main()
