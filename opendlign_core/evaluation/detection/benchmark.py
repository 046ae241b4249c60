"""Detection: the things of scenes, found in proposed boxes and named by words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opendlign_core.evaluation.benchmark import Benchmark, Cell, Column, Reads, ResultTable
from opendlign_core.evaluation.choices import EvalChoices
from opendlign_core.evaluation.detection.choices import DetectionOptions
from opendlign_core.evaluation.detection.counting import DetectionResult
from opendlign_core.evaluation.detection.page import classes_table, errors, results_table, scenes
from opendlign_core.evaluation.findings import Findings, Headline
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.html import Section
from opendlign_core.evaluation.results import EvaluationResults

if TYPE_CHECKING:
    from opendlign_core.evaluation.cases import Case


class Detection(Benchmark[DetectionResult]):
    """Average precision of boxes in scenes, for every proposer whose boxes a method names."""

    name = "detection"
    measure = "AP25"
    accepted_as = "ap25"
    row = DetectionResult
    options = DetectionOptions

    def reads(self, recipe: EvalChoices) -> Reads:
        return Reads(depth=False, proposed=True)

    def run(self, case: "Case") -> Findings[DetectionResult]:
        from opendlign_core.evaluation.detection.session import Session

        return Session(case, self.options_in(case.recipe)).run()

    def headlines(self, results: EvaluationResults) -> Iterator[Headline]:
        """AP25 in the boxes of every proposer; in those of the first a method goes by its own name."""
        told: set[tuple[str, str]] = set()
        for row in results.of(self):
            first = (row.dataset, row.method) not in told
            told.add((row.dataset, row.method))
            found = row.overlaps[25].precision
            yield Headline(
                dataset=row.dataset,
                method=row.method if first else row.named,
                value=found.value,
                low=found.low,
                high=found.high,
                remark=f"boxes of {row.boxes}, {row.scenes:,} scenes, {row.objects:,} things",
            )

    def table(self, results: EvaluationResults) -> ResultTable:
        columns = (
            Column("data set", wide=True), Column("method"), Column("boxes"), Column("scenes", wide=True),
            Column("things"), Column("AP25"), Column(f"{100 * results.interval_level:g}% interval"), Column("AP50"),
            Column("AR25", wide=True), Column("AR50", wide=True),
        )  # fmt: skip
        return ResultTable("Average precision of boxes, percent", columns, tuple(map(_cells, results.of(self))))

    def sections(self, data: ReportData) -> Iterator[Section]:
        rows = data.results.of(self)
        yield Section("detection", "Things in scenes", results_table(rows, data.show_published))
        yield Section("detection-errors", "What is wrong with boxes and names", errors(rows))
        yield Section("detection-classes", "Things by class", classes_table(rows, data.show_published))
        yield Section("detection-scenes", "Scenes with true and found boxes", scenes(rows))


def _cells(row: DetectionResult) -> tuple[Cell, ...]:
    near, exact = row.overlaps[25], row.overlaps[50]
    low, high = near.precision.low, near.precision.high
    interval = "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
    shares = (round(100 * value, 1) for value in (exact.precision.value, near.recall, exact.recall))
    found = round(100 * near.precision.value, 1)
    return row.dataset, row.method, row.boxes, row.scenes, row.objects, found, interval, *shares


DETECTION = Detection()
