"""Both backends on a CUDA device, against the CPU."""

import pytest
import torch

from bench.projection import chair, dense_project, torch_bilateral
from opendlign_core.projection import RECIPES, ProjectionExecution, UnusableCloud, project, project_clouds
from opendlign_core.samples import Cloud, CloudMeta, DepthMaps

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def batch(points: int = 1500) -> torch.Tensor:
    return torch.stack([chair(points, seed) for seed in range(3)])


@pytest.mark.parametrize("backend", ["torch", "triton", "auto"])
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_agrees_with_the_cpu(name: str, backend: str) -> None:
    if backend == "triton" and name == "pointclip":
        pytest.skip("weighted splats have no triton kernel")
    expected = project(batch(), name, "torch")
    torch.testing.assert_close(project(batch().cuda(), name, backend).cpu(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["opendlign", "pointclip-v2"])
def test_agrees_with_the_dense_grid(name: str) -> None:
    points = batch().cuda()
    expected = dense_project(points, RECIPES[name], torch_bilateral)
    torch.testing.assert_close(project(points, name), expected, atol=1e-5, rtol=0)


def test_bad_clouds_are_named_before_any_kernel_runs() -> None:
    points = batch().cuda()
    points[1, 3] = float("nan")
    with pytest.raises(UnusableCloud, match="sample 1"):
        project(points)
    assert project(batch().cuda()).isfinite().all()


def test_memory_does_not_grow_with_the_batch() -> None:
    def scratch(clouds: int) -> int:
        points = chair(1024, 0).cuda().expand(clouds, -1, -1).contiguous()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        output = project(points, "pointclip-v2")
        cells = clouds * 10 * 1024 * 4
        return torch.cuda.max_memory_allocated() - before - output.numel() * 4 - 20 * cells

    assert scratch(256) < scratch(64) + (1 << 29)


def test_the_stream_gives_the_cpu_s_maps() -> None:
    metas = [CloudMeta(object_id=f"chair/{seed}", source="chair", split="train") for seed in range(5)]
    clouds = [Cloud(meta, chair(1000 + seed, seed).numpy()) for seed, meta in enumerate(metas)]
    runs = [
        list(project_clouds(clouds, "opendlign", ProjectionExecution(device=device, batch_size=2)))
        for device in ("cpu", "cuda")
    ]
    for one, other in zip(*runs, strict=True):
        assert isinstance(one, DepthMaps)
        assert isinstance(other, DepthMaps)
        assert abs(one.maps() - other.maps()).max() < 3e-5
