"""Pose: how the thing in a photo is turned, told by probes of frozen encoders."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opendlign_core.evaluation.benchmark import Benchmark, Cell, Column, Reads, ResultTable
from opendlign_core.evaluation.choices import EvalChoices
from opendlign_core.evaluation.findings import Findings, Headline
from opendlign_core.evaluation.pose.choices import PoseOptions
from opendlign_core.evaluation.pose.counting import PoseResult
from opendlign_core.evaluation.pose.page import categories_table, methods_table
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.html import Section
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.specs import MethodSpec

if TYPE_CHECKING:
    from opendlign_core.evaluation.cases import Case

CHOSEN_ON_REPORTED = "head chosen on the reported photos"


class PoseBenchmark(Benchmark[PoseResult]):
    """Accuracy within 30 and 10 degrees by linear probes, beside what needs no encoder."""

    name = "pose"
    measure = "pose within 30 degrees"
    accepted_as = "pose_within_30"
    row = PoseResult
    options = PoseOptions

    def reads(self, recipe: EvalChoices) -> Reads:
        return Reads(depth=False, photos=True)

    def judges(self, recipe: EvalChoices, method: MethodSpec) -> bool:
        """Probes read one branch at a time."""
        return method.branches in ("base", "depth")

    def run(self, case: "Case") -> Findings[PoseResult]:
        from opendlign_core.evaluation.pose.session import Session

        return Session(case, self.options_in(case.recipe)).run()

    def headlines(self, results: EvaluationResults) -> Iterator[Headline]:
        for row in (row for row in results.of(self) if row.kind != "baseline"):
            yield Headline(
                dataset=row.dataset,
                method=row.method,
                value=row.within_30.value,
                low=row.within_30.low,
                high=row.within_30.high,
                remark=f"{row.photos:,} photos, {len(row.categories)} categories",
                mark=CHOSEN_ON_REPORTED if row.chosen_on_reported else "",
            )

    def table(self, results: EvaluationResults) -> ResultTable:
        columns = (
            Column("data set"), Column("method"), Column("photos"), Column("within 30"),
            Column(f"{100 * results.interval_level:g}% interval"), Column("within 10"), Column("median", wide=True),
            Column("how", wide=True),
        )  # fmt: skip
        return ResultTable("Poses within 30 and 10 degrees, percent", columns, tuple(map(_cells, results.of(self))))

    def sections(self, data: ReportData) -> Iterator[Section]:
        rows = data.results.of(self)
        yield Section("pose", "Pose", methods_table(rows, data.show_published))
        yield Section("pose-categories", "Pose by category", categories_table(rows))


def _cells(row: PoseResult) -> tuple[Cell, ...]:
    low, high = row.within_30.low, row.within_30.high
    interval = "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
    within_30, within_10 = (round(100 * one.value, 1) for one in (row.within_30, row.within_10))
    return row.dataset, row.method, row.photos, within_30, interval, within_10, round(row.median, 1), row.remark


POSE = PoseBenchmark()
