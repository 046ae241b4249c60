import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from opendlign_core.synthesis.noise import box_blur, enlarge, fractal_noise, grain, smoothstep, triangle, value_noise


@pytest.mark.parametrize("shape", [(224, 224), (64, 48), (3, 7), (1, 1)])
def test_noise_fills_any_shape_and_stays_in_bounds(shape: tuple[int, int]) -> None:
    for plane in (
        value_noise(np.random.default_rng(0), *shape, 5, 90),
        fractal_noise(np.random.default_rng(1), *shape, 4, 4),
        grain(np.random.default_rng(2), *shape) + np.float32(0.5),
    ):
        assert plane.shape == shape
        assert plane.dtype == np.float32
        assert plane.min() >= 0
        assert plane.max() <= 1


def test_noise_is_smooth_at_its_own_scale() -> None:
    plane = value_noise(np.random.default_rng(0), 224, 224, 4, 4)
    assert np.abs(np.diff(plane, axis=0)).max() < 2 / (224 / 4)
    assert plane.std() > 0.1


@pytest.mark.parametrize(("radius", "passes"), [(1, 1), (3, 1), (2, 2), (14, 1)])
def test_box_blur_is_the_mean_over_the_square(radius: int, passes: int) -> None:
    planes = np.random.default_rng(0).random((2, 40, 33), dtype=np.float32)
    wide = np.pad(planes, ((0, 0), (40, 40), (40, 40)))
    for _ in range(passes):
        wide = np.stack([uniform_filter(plane, 2 * radius + 1, mode="constant") for plane in wide])
    assert np.allclose(box_blur(planes, radius, passes), wide[:, 40:-40, 40:-40], atol=1e-5)


def test_enlarge_keeps_the_kept_pixels_and_joins_them_linearly() -> None:
    small = np.random.default_rng(0).random((6, 5), dtype=np.float32)
    large = enlarge(small, 4, 22, 18)
    assert large.shape == (22, 18)
    assert np.allclose(large[::4, ::4], small, atol=1e-6)
    assert np.allclose(large[2, 0], (small[0, 0] + small[1, 0]) / 2, atol=1e-6)


def test_waves_and_steps() -> None:
    ramp = np.linspace(-2, 2, 401, dtype=np.float32)
    wave = triangle(ramp)
    assert np.allclose(wave[:300], wave[100:400], atol=1e-5)
    assert (wave.min(), wave.max()) == (pytest.approx(0, abs=0.02), pytest.approx(1, abs=1e-6))
    step = smoothstep(ramp, -0.5, 0.5)
    assert (step[0], step[-1]) == (0, 1)
    assert (np.diff(step) >= 0).all()
