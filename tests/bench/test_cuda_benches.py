"""The benches of a GPU, rehearsed on the CPU with small networks: they must run at the first try where one is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench import projection_cuda, rasterize, synthesis_cuda
from bench.reports import Report
from bench.synthesis import depth_maps
from tests.threads import torch_threads


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


def test_the_projection_bench_measures_a_recipe() -> None:
    row = projection_cuda.measure("pointclip-v2", 200, 2, repeats=1, device="cpu")
    assert row["largest_difference"] < 1e-5
    assert row["clouds_per_second"] > 0
    assert 0 < row["share_of_write_bandwidth"] < 1


def test_the_rasteriser_s_bench_compares_devices() -> None:
    row = rasterize.on_cuda(rasterize.cases(600)["12 quadrupeds"], repeats=1, device="cpu")
    assert row["differing_coverage"] == row["largest_difference"] == 0
    assert row["surfaces"] > 10_000


def test_the_synthesis_bench_measures_every_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.synthesis.networks import save_networks

    monkeypatch.setattr(torch, "compile", lambda network: network)  # takes minutes; tests/gpu compiles
    quick = {name: {**option, "steps": 2} for name, option in synthesis_cuda.OPTIONS.items()}
    monkeypatch.setattr(synthesis_cuda, "OPTIONS", quick)
    save_networks(tmp_path / "weights")
    report = Report(tmp_path / "results" / "cuda.json", {"gpu": None})
    depth = depth_maps(2)[:, :1, ::4, ::4]
    synthesis_cuda.measure(report, tmp_path / "weights", depth, "cpu", side=32, dtype="float32")
    assert report.failed == []
    rows = json.loads(report.path.read_text())
    assert {*synthesis_cuda.OPTIONS, "ddim20_compiled", "plain_loop_images_per_second"} <= set(rows)
    for name in synthesis_cuda.OPTIONS:
        assert rows[name]["images_per_second"] > 0
        assert rows[name]["shapenet_gpu_hours"] > 0
    assert rows["ddim20_against"]["times_plain_loop"] > 0
    assert rows["ddim20"]["tflop_per_image"] > 0


def test_a_row_that_fails_keeps_the_others_and_ends_in_an_error(tmp_path: Path) -> None:
    report = Report(tmp_path / "rows.json", {})
    report.add("good", lambda: 1)
    assert report.add("bad", lambda: 1 / 0) is None
    report.add("later", lambda: 2)
    rows = json.loads(report.path.read_text())
    assert (rows["good"], rows["later"]) == (1, 2)
    assert rows["bad"]["failed"].startswith("ZeroDivisionError")
    with pytest.raises(SystemExit, match="failed: bad"):
        report.end()
