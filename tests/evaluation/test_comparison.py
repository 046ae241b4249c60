"""Two evaluations held against each other, on the objects that both judged."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.comparison import Judged, Judgement, compare_judged, read_judged
from opendlign_core.evaluation.findings import MeasuredObjects
from opendlign_core.evaluation.object_table import write_objects
from opendlign_core.evaluation.report.comparison_page import ComparisonData, render_comparison
from opendlign_core.evaluation.specs import BootstrapSpec
from tests.evaluation.report_case import scored_objects

SPEC = BootstrapSpec(samples=500)
KEY = ("shapes", "opendlign")
BEFORE: Judged = {
    KEY: {
        "a": Judgement("mug", "cup"),
        "b": Judgement("mug", "mug"),
        "c": Judgement("cup", "cup"),
        "gone": Judgement("cup", "cup"),
        "renamed": Judgement("cup", "cup"),
    }
}
AFTER: Judged = {
    KEY: {
        "a": Judgement("mug", "mug"),
        "b": Judgement("mug", "mug"),
        "c": Judgement("cup", "mug"),
        "new": Judgement("cup", "cup"),
        "renamed": Judgement("tank", "tank"),
    }
}


def test_only_objects_that_both_judged_by_the_same_label_count() -> None:
    (found,) = compare_judged(BEFORE, AFTER, SPEC)
    assert (found.objects, found.left_out) == (3, 3)
    assert found.before == pytest.approx(2 / 3) == found.after
    assert [change.object_id for change in found.won] == ["a"]
    assert [(change.object_id, change.before, change.after) for change in found.lost] == [("c", "cup", "mug")]


def test_classes_are_told_by_the_size_of_their_change() -> None:
    (found,) = compare_judged(BEFORE, AFTER, SPEC)
    assert [(one.name, one.objects, one.before, one.after) for one in found.classes] == [
        ("cup", 1, 1.0, 0.0),
        ("mug", 2, 0.5, 1.0),
    ]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({("shapes", "frozen"): AFTER[KEY]}, "shapes by opendlign, the second shapes by frozen"),
        ({KEY: {"z": Judgement("mug", "mug")}}, "no object of shapes in common"),
    ],
)
def test_nothing_in_common_is_refused(other: Judged, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        list(compare_judged(BEFORE, other, SPEC))


def test_objects_that_were_measured_are_compared_by_their_numbers(tmp_path: Path) -> None:
    def measured(*values: float) -> MeasuredObjects:
        ids, labels = ("a", "b", "c", "d"), ("mug", "mug", "cup", "cup")
        return MeasuredObjects(dataset="shop", method="parts", object_ids=ids, labels=labels, values=np.array(values))

    for name, part in (("before", measured(0.5, 0.5, 0.25, 1.0)), ("after", measured(0.75, 0.75, 0.25, 1.0))):
        write_objects(tmp_path / name, [scored_objects("modelnet40", "opendlign", 3.0, 1), part])
    kept = pq.read_table(tmp_path / "after").to_pylist()[-1]
    assert (kept["object_id"], kept["label"], kept["value"]) == ("d", "cup", 1.0)
    assert kept["prediction"] is kept["rank"] is kept["scores"] is None
    named, found = compare_judged(read_judged(tmp_path / "before"), read_judged(tmp_path / "after"), SPEC)
    assert named.share.value == 0 and named.before > 0
    assert (found.before, found.after, found.changes) == (0.5625, 0.6875, ())
    assert [(one.name, one.before, one.after) for one in found.classes] == [("mug", 0.5, 0.75)]
    assert found.share.value == pytest.approx(0.125) and found.share.low is not None and found.share.low >= 0


def test_the_table_of_objects_is_read_as_it_was_written(tmp_path: Path) -> None:
    scored = scored_objects("modelnet40", "opendlign", 3.0, 1)
    write_objects(tmp_path / "results.parquet", [scored])
    read = read_judged(tmp_path / "results.parquet")["modelnet40", "opendlign"]
    assert tuple(read) == scored.object_ids
    right = [one.right for one in read.values()]
    assert right == (scored.scores.argmax(axis=1) == scored.labels).tolist()


def test_the_page_shows_what_changed_sides_and_escapes_names() -> None:
    (found,) = compare_judged(BEFORE, AFTER, SPEC)
    grey = np.zeros((8, 20), np.uint8)
    page = render_comparison(ComparisonData("1111", "<2222>", (found,), {"a": grey}))
    won = page[page.index('id="won"') :].split("</section>")[0]
    lost = page[page.index('id="lost"') :].split("</section>")[0]
    assert "<img" in won and "cup → mug" in won
    assert "<img" not in lost and "cup → mug" in lost
    assert "<2222>" not in page
    assert "No difference is shown: opendlign on shapes went from 66.7 % to 66.7 %" in page
    assert "3 objects that only one of them judged are left out" in page
