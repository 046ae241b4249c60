"""Projection on a CUDA device against the dense implementation on the same device.

`python -m bench.projection_cuda [--quick]` writes bench/results/projection_cuda.json: clouds per second, how many
times faster than the dense version, how far off it, and output bytes per second against a plain fill of the output.
"""

import argparse
from functools import partial
from typing import Any

import torch

from bench.projection import best_costs, chair, compare, machine
from bench.reports import RESULTS, Report
from opendlign_core.projection import RECIPES, project

CASES = {"pointclip-v2": (1024, 512), "opendlign": (10_000, 256), "pointclip-v2-seg": (2048, 32)}
"""Points and clouds of a batch."""


def measure(name: str, points: int, clouds: int, repeats: int, device: str = "cuda") -> dict[str, Any]:
    """The row of one recipe."""
    row = compare(RECIPES[name], points, clouds, min(4, clouds), repeats, device)
    output = project(torch.stack([chair(points, 0)] * clouds).to(device), name)
    written = output.numel() * 4
    fill = best_costs([partial(output.fill_, 0.5)], 10)[0].wall
    bytes_per_second = written / clouds * 1e3 / row["ms_per_cloud"]
    return row | {
        "clouds_per_second": round(1e3 / row["ms_per_cloud"]),
        "output_bytes_per_second": round(bytes_per_second),
        "write_bandwidth_bytes_per_second": round(written / fill),
        "share_of_write_bandwidth": round(bytes_per_second * fill / written, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    repeats = 2 if parser.parse_args().quick else 10
    if not torch.cuda.is_available():
        print("no CUDA device on this machine: nothing measured")
        return
    torch.backends.cudnn.allow_tf32 = False  # the dense convolution must give the same output, to 1e-5
    report = Report(RESULTS / "projection_cuda.json", machine())
    for name, (points, clouds) in CASES.items():
        report.add(name, partial(measure, name, points, clouds, repeats))
    report.end()


if __name__ == "__main__":
    main()
