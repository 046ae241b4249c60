"""The CUDA kernels on Triton's interpreter, and compiled for a GPU that need not be there."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton", reason="the CUDA kernels need triton")

COMPARE = """
import torch
from opendlign_core.projection import RECIPES, project
from opendlign_core.projection.recipe import Bilateral, WindowMax

torch.set_num_threads(1)
views = RECIPES["opendlign"].views[:1]
points = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0))
opendlign = RECIPES["opendlign"].replace(size=16, slices=4, views=views)
volume = {"window": (3, 3, 3), "padding": (1, 1, 1)}
toys = {
    "bilateral": opendlign,
    "border": opendlign.replace(scale=1.0),
    "gaussian": RECIPES["pointclip-v2"].replace(size=16, slices=4, views=views),
    "unsmoothed": opendlign.replace(smooth=None, collision="last"),
    "volume": opendlign.replace(size=10, densify=WindowMax(**volume), smooth=Bilateral(window=(3, 3, 3))),
}
for name, recipe in toys.items():
    images = project(points, recipe, "triton")
    difference = (project(points, recipe, "torch") - images).abs().max().item()
    assert difference < 1e-5, (name, difference)
    assert (images.amin((2, 3)) == 0).all(), name
"""

COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
import opendlign_core.projection.triton_backend as backend

floats = {"target", "source", "dense", "weights", "squeezed", "image"}
bits = {"index", "depth", "grid", "offsets", "nearest"}
constants = {"block": 512, "window": 7, "slices": 8, "taps": 13, "bilateral": True}
for name in ("splat_kernel", "window_kernel", "squeeze_kernel", "image_kernel"):
    kernel = getattr(backend, name)
    kinds = dict.fromkeys(kernel.arg_names, "i32") | {"scale": "fp32"}
    kinds |= dict.fromkeys(floats, "*fp32") | dict.fromkeys(bits, "*i32") | dict.fromkeys(constants, "constexpr")
    kinds = {n: kinds[n] for n in kernel.arg_names}
    values = {(kernel.arg_names.index(n),): v for n, v in constants.items() if n in kinds}
    source = ASTSource(kernel, kinds, constexprs=values)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=backend.OPTIONS)
    assert "div.full" not in compiled.asm["ptx"], "a division that misses by a rounding puts depths below 0"
"""


def _run(code: str, **environment: str) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr


def test_kernels_agree_with_the_torch_backend() -> None:
    _run(COMPARE, TRITON_INTERPRET="1")


def test_kernels_compile_for_a_gpu() -> None:
    _run(COMPILE)
