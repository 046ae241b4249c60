"""The first screen of the report: the verdict, the chart, what was judged, and what was turned away."""

import dataclasses
import re

import pytest

from opendlign_core.evaluation.findings import Estimate
from opendlign_core.evaluation.paired import Gain
from opendlign_core.evaluation.report.data import Rejection, ReportData, SourceFacts
from opendlign_core.evaluation.report.first_screen import first_screen
from tests.evaluation.report_case import filled_report


def told(data: ReportData) -> str:
    """The words of the first screen."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", first_screen(data)))


def gained(low: float, value: float, high: float) -> Gain:
    share = Estimate(value=value, low=low, high=high)
    return Gain("modelnet40", "opendlign", "training-free", 400, 90, 10, share)


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        (gained(0.15, 0.2, 0.25), "It worked. opendlign reaches"),
        (gained(-0.25, -0.2, -0.15), "It made things worse. opendlign reaches"),
        (gained(-0.01, 0.02, 0.05), "Not shown to work. opendlign reaches"),
    ],
)
def test_the_verdict_follows_from_the_paired_interval(gain: Gain, verdict: str) -> None:
    words = told(dataclasses.replace(filled_report(), gains=(gain,)))
    assert verdict in words
    low, high = 100 * gain.share.low, 100 * gain.share.high  # type: ignore[operator]
    assert f"than the frozen CLIP (training-free) (95 % paired interval {low:.1f} to {high:.1f})" in words
    assert "Of 400 objects it wins 90 and loses 10." in words


def test_without_a_frozen_method_nothing_is_claimed() -> None:
    words = told(filled_report())
    assert "worked" not in words
    assert "add training-free to evaluate.methods" in words
    frozen = told(dataclasses.replace(filled_report(), trained=False))
    assert "A frozen CLIP was judged as it is" in frozen


def test_the_chart_has_a_row_for_every_method_and_data_set() -> None:
    page = first_screen(dataclasses.replace(filled_report(), gains=(gained(0.15, 0.2, 0.25),)))
    chart = page[page.index('id="first-chart"') :].split("</svg>")[0]
    assert chart.count("<circle") == 4
    assert "+20.0 (15.0 to 25.0)" in chart
    assert "ModelNet40" in chart and "OmniObject3D" in chart


def test_what_was_turned_away_is_told_with_its_reason() -> None:
    turned = [Rejection("ingest", f"reason {count}", count, f"set/<{count}>") for count in range(1, 7)]
    sources = (SourceFacts("shapes", (("test", 30), ("train", 1200))),)
    words = told(dataclasses.replace(filled_report(), rejections=tuple(turned), sources=sources))
    assert "1,230 from shapes (30 test, 1,200 train)" in words
    assert "6 by ingest: reason 6" in words and "&lt;6&gt;" in words
    assert "3 more for 2 other reasons" in words
    assert "Turned away nothing" in told(filled_report())


def test_words_that_the_clip_never_read_are_flagged() -> None:
    words = told(dataclasses.replace(filled_report(), unread=("dolphin", "quux")))
    assert "dolphin, quux : ViT-tiny guesses these classes from pieces of their names" in words
    assert "never read" not in told(filled_report())
