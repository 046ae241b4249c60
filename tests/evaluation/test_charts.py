"""Where charts put things: a plot of 400 x 196 pixels, 46 from the left and 14 from the top."""

import re

import numpy as np
import pytest

from opendlign_core.evaluation.report.charts import Series, bars, confusion_chart, line_chart
from opendlign_core.evaluation.titles import dataset_key, dataset_title

PLAIN = Series("a", ((0, 10.0), (10, 90.0)))


def dots(drawing: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawing)]


def ticks(drawing: str, side: str) -> dict[str, float]:
    """Words of the ticks of an axis -> where they stand along it."""
    place = {"end": r'x="40" y="([\d.]+)"', "middle": r'x="([\d.]+)" y="225"'}[side]
    return {word: float(at) for at, word in re.findall(rf'<text {place} class="tick {side}">([^<]+)<', drawing)}


def test_points_lie_on_shared_axes_that_begin_at_nought_where_it_is_near() -> None:
    drawing = line_chart([PLAIN], "views", "top-1 %")
    assert dots(drawing) == [(46.0, 189.67), (446.0, 27.01)]
    assert 'd="M46.0 189.67L446.0 27.01"' in drawing
    upright = {word: round(at - 3.5, 2) for word, at in ticks(drawing, "end").items()}
    assert upright == {"0": 210.0, "20": 169.34, "40": 128.67, "60": 88.01, "80": 47.34}
    assert ticks(drawing, "middle") == {"0": 46.0, "2": 126.0, "4": 206.0, "6": 286.0, "8": 366.0, "10": 446.0}
    assert re.findall(r'<line x1="(\d+)" x2="(\d+)" y1="([\d.]+)" y2="([\d.]+)"', drawing)[1] == (
        "46", "446", "169.34", "169.34"
    )  # fmt: skip
    assert '<text x="246.0" y="244" class="axis middle">views</text>' in drawing
    assert 'x="12" y="112.0" transform="rotate(-90 12 112.0)" class="axis middle">top-1 %</text>' in drawing
    assert 'viewBox="0 0 460 250"' in drawing
    assert "<title>a: 90 at 10</title>" in drawing


def test_an_axis_far_from_nought_has_a_margin_on_both_sides() -> None:
    drawing = line_chart([Series("a", ((1, 80.0), (3, 90.0)))], "x", "y")
    assert dots(drawing) == [(46.0, 196.48), (446.0, 27.52)]
    assert set(ticks(drawing, "end")) == {"80", "82.5", "85", "87.5", "90"}


def test_a_flat_line_and_a_single_point_have_a_place() -> None:
    flat = line_chart([Series("a", ((2, 50.0), (4, 50.0)))], "x", "y")
    assert dots(flat) == [(46.0, 112.0), (446.0, 112.0)]
    alone = line_chart([Series("a", ((2, 0.0),))], "x", "y")
    assert dots(alone) == [(46.0, 112.0)]


def test_shots_are_spread_by_their_logarithm() -> None:
    shots = Series("a", tuple((float(count), float(count)) for count in (1, 2, 4, 8, 16)))
    drawing = line_chart([shots], "shots", "top-1 %", log_x=True)
    assert [x for x, _ in dots(drawing)] == [46.0, 146.0, 246.0, 346.0, 446.0]
    assert ticks(drawing, "middle") == {"1": 46.0, "2": 146.0, "4": 246.0, "8": 346.0, "16": 446.0}
    from_nought = line_chart([Series("a", ((0.0, 1.0), (10.0, 2.0)))], "x", "y", log_x=True)
    assert set(ticks(from_nought, "middle")) == {"0", "2", "4", "6", "8", "10"}, "nought has no logarithm"


def test_a_band_lies_half_its_height_to_both_sides() -> None:
    drawing = line_chart([Series("a", ((0, 50.0), (10, 50.0)), (40.0, 20.0))], "x", "y")
    ((band,),) = [re.findall(r'<polygon points="([^"]+)" class="band c0"', drawing)]
    corners = [tuple(map(float, corner.split(","))) for corner in band.split()]
    assert [x for x, _ in corners] == [46.0, 446.0, 446.0, 46.0]
    upper, far_upper, far_lower, lower = (y for _, y in corners)
    middle = (upper + lower) / 2
    assert (far_upper + far_lower) / 2 == pytest.approx(middle, abs=0.02)
    assert (lower - upper) == pytest.approx(2 * (far_lower - far_upper), abs=0.05)


def test_long_lines_have_no_dots() -> None:
    assert line_chart([Series("a", tuple((float(x), 1.0 + x) for x in range(24)))], "x", "y").count("<circle") == 24
    assert line_chart([Series("a", tuple((float(x), 1.0 + x) for x in range(25)))], "x", "y").count("<circle") == 0


def test_bars_are_as_long_as_their_share() -> None:
    drawn = bars([("a", 0.25, "x"), ("b", 1.5, "y"), ("c", -1.0, "z")])
    assert re.findall(r"width:([\d.]+)%", drawn) == ["25.00", "100.00", "0.00"]


def test_a_confusion_chart_names_what_was_taken_for_what() -> None:
    drawing = confusion_chart(np.array([[3, 1], [0, 0]]), ["cat", "dog"])
    assert "<title>cat taken for dog: 1 of 4</title>" in drawing
    assert re.findall(r'fill-opacity="([\d.]+)"', drawing) == ["0.780", "0.340"]
    hit, miss = re.findall(r'<rect x="(\d+)" y="(\d+)" width="21" height="21" class="cell (?:hit|miss)"', drawing)
    assert (hit, miss) == (("26", "26"), ("48", "26"))
    assert 'class="cell hit"' in drawing.split("<g>")[1]
    assert 'viewBox="0 0 74 74"' in drawing


def test_data_sets_are_known_however_they_are_spelled() -> None:
    for spelled in ("ModelNet40", "modelnet-40", "MODELNET_40", "model net 40"):
        assert dataset_key(spelled) == "modelnet40"
        assert dataset_title(spelled) == "ModelNet40"
    assert dataset_title("Objaverse LVIS") == "Objaverse-LVIS"
    assert (dataset_key("ModelNet10"), dataset_title("ModelNet10")) == ("ModelNet10", "ModelNet10")
