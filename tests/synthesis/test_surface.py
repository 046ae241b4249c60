import numpy as np

from opendlign_core.synthesis.surface import read_surface


def ball(side: int, radius: float, relief: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A ball's depth map, and the analytic normals on the image grid."""
    place = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    across, down = np.meshgrid(place, place)
    square = radius**2 - across**2 - down**2
    height = np.sqrt(np.maximum(square, 0))
    depth = np.where(square > 0, (radius - height) / relief, 1).astype(np.float32)
    return depth, across / radius, down / radius


def test_the_normals_of_a_ball_point_outwards() -> None:
    depth, right, down = ball(224, 0.4, relief=1.2)
    surface = read_surface(depth, 1.2)
    assert surface is not None
    window = (surface.rows, surface.columns)
    inner = (right**2 + down**2)[window] < 0.6**2
    assert np.abs(surface.normal[0] - right[window])[inner].max() < 0.05
    assert np.abs(surface.normal[1] - down[window])[inner].max() < 0.05
    length = sum(component**2 for component in surface.normal)
    assert np.allclose(length, 1, atol=1e-4)


def test_the_mask_is_the_depth_maps_own_and_the_window_is_tight() -> None:
    depth = np.ones((50, 60), np.float32)
    depth[10:20, 30:33] = 0.4
    surface = read_surface(depth, 1.0)
    assert surface is not None
    assert (surface.rows, surface.columns) == (slice(10, 20), slice(30, 33))
    assert surface.mask.all()
    assert np.allclose(surface.normal[2], 1)  # flat, although the background lies far behind


def test_a_pit_is_enclosed_and_a_peak_is_not() -> None:
    depth = np.full((224, 224), 0.3, np.float32)
    depth[100:124, 100:124] = 0.6
    depth[100:124, 20:44] = 0.1
    surface = read_surface(depth, 1.0)
    assert surface is not None
    assert surface.enclosure[112, 112] > 0.5
    assert surface.enclosure[112, 32] == 0


def test_an_empty_map_has_no_surface() -> None:
    assert read_surface(np.ones((64, 64), np.float32), 1.0) is None


def test_a_single_pixel_is_a_surface() -> None:
    depth = np.ones((64, 64), np.float32)
    depth[5, 5] = 0.0
    surface = read_surface(depth, 1.0)
    assert surface is not None
    assert surface.mask.shape == (1, 1)
