"""The layered rasteriser on a CUDA device, against the CPU."""

import pytest
import torch

from bench.rasterize import cases, drawn

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("name", list(cases(10)))
def test_coverage_is_the_cpu_s_bit_for_bit(name: str) -> None:
    meshes = cases(2_000)[name]
    expected, found = drawn(meshes)(), drawn(meshes, "cuda")()
    assert torch.equal(found.coverage.cpu(), expected.coverage)
    torch.testing.assert_close(found.values.cpu(), expected.values, atol=1e-5, rtol=0)
