"""Zero-shot classification: views against class texts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opendlign_core.evaluation.benchmark import Benchmark, Cell, Column, ResultPicture, ResultTable
from opendlign_core.evaluation.classification.counting import (
    ZeroShotResult,
    examples_of,
    scored_objects,
    summarise,
)
from opendlign_core.evaluation.classification.zero_shot_page import class_panels, results_table
from opendlign_core.evaluation.findings import SEARCHED_ON_TEST, Findings, Headline
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.html import Section
from opendlign_core.evaluation.results import EvaluationResults

if TYPE_CHECKING:
    from opendlign_core.evaluation.cases import Case


class ZeroShot(Benchmark[ZeroShotResult]):
    """Top-1, top-3 and top-5 with intervals, per class, with macro averages and the confusion matrix."""

    name = "zero-shot"
    measure = "top-1"
    accepted_as = "top1"
    row = ZeroShotResult
    written_when_empty = True

    @property
    def shows(self) -> tuple[str, ...]:
        return "results", "confusion"

    def run(self, case: "Case") -> Findings[ZeroShotResult]:
        head, data, recipe = case.head, case.test, case.recipe
        scored = scored_objects(case.dataset.name, head.method, data, head.text)
        row = summarise(scored, recipe.bootstrap, data.left_out)
        searched = {"search": head.search, "searched_on_test": case.method.sees_test_labels}
        examples = examples_of(scored, recipe.examples) if case.is_primary else ()
        return Findings((row.model_copy(update=searched),), (scored,), tuple(examples))

    def headlines(self, results: EvaluationResults) -> Iterator[Headline]:
        for row in results.of(self):
            yield Headline(
                dataset=row.dataset,
                method=row.method,
                value=row.top1.value,
                low=row.top1.low,
                high=row.top1.high,
                remark=f"{row.objects:,} objects, {len(row.classes)} classes",
                mark=SEARCHED_ON_TEST if row.searched_on_test else "",
            )

    def table(self, results: EvaluationResults) -> ResultTable:
        columns = (
            Column("data set"), Column("method"), Column("objects"), Column("top-1"),
            Column(f"{100 * results.interval_level:g}% interval"),
            Column("top-3", wide=True), Column("top-5"), Column("macro F1", wide=True),
        )  # fmt: skip
        return ResultTable("Zero-shot accuracy, percent", columns, tuple(map(_cells, results.of(self))))

    def sections(self, data: ReportData) -> Iterator[Section]:
        rows = data.results.of(self)
        yield Section("results", "Zero-shot classification", results_table(rows, data.show_published))
        yield Section("classes", "Classes", class_panels(data.results.primary_of(rows)))

    def pictures(self, results: EvaluationResults) -> Iterator[ResultPicture]:
        from opendlign_core.evaluation.classification.confusion import confusion_png

        for row in results.primary_of(results.of(self))[:1]:
            picture = confusion_png(row.confusion, [entry.name for entry in row.classes])
            yield ResultPicture(f"{row.method} on {row.dataset}: true class down", picture)


def _cells(row: ZeroShotResult) -> tuple[Cell, ...]:
    shares = (row.top1, row.top3, row.top5, row.macro_f1)
    top1, top3, top5, macro_f1 = (round(100 * share.value, 2) for share in shares)
    low, high = row.top1.low, row.top1.high
    interval = "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
    method = f"{row.method} ({SEARCHED_ON_TEST})" if row.searched_on_test else row.method
    return row.dataset, method, row.objects, top1, interval, top3, top5, macro_f1


ZERO_SHOT = ZeroShot()
