"""Part segmentation: every point of a shape against the words for the parts of its category."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opendlign_core.evaluation.benchmark import Benchmark, Cell, Column, Reads, ResultTable
from opendlign_core.evaluation.choices import EvalChoices
from opendlign_core.evaluation.findings import SEARCHED_ON_TEST, Above, Findings, Headline
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.html import Section
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.segmentation.choices import SegmentationOptions
from opendlign_core.evaluation.segmentation.counting import SegmentationResult
from opendlign_core.evaluation.segmentation.page import answers_table, categories_table, shapes
from opendlign_core.evaluation.specs import MethodSpec

if TYPE_CHECKING:
    from opendlign_core.evaluation.cases import Case


class Segmentation(Benchmark[SegmentationResult]):
    """Mean IoU of parts for every answer of a method, beside baselines and the bounds of what could be right."""

    name = "segmentation"
    measure = "instance mIoU"
    accepted_as = "instance_miou"
    row = SegmentationResult
    options = SegmentationOptions

    def reads(self, recipe: EvalChoices) -> Reads:
        """Baselines and bounds learn from the train split, where all data sets have one."""
        learns = self.options_in(recipe).bounds and all(dataset.train_split for dataset in recipe.datasets)
        return Reads(depth=False, train=learns, placed=True)

    def judges(self, recipe: EvalChoices, method: MethodSpec) -> bool:
        """Tokens of patches come from one branch at a time."""
        return method.branches in ("base", "depth")

    def run(self, case: "Case") -> Findings[SegmentationResult]:
        from opendlign_core.evaluation.segmentation.session import Session

        return Session(case, self.options_in(case.recipe)).run()

    def headlines(self, results: EvaluationResults) -> Iterator[Headline]:
        """Instance mIoU of every answer; a method's first answer goes by the name of the method."""
        told: set[tuple[str, str]] = set()
        for row in (row for row in results.of(self) if row.kind == "answer"):
            first = (row.dataset, row.method) not in told
            told.add((row.dataset, row.method))
            yield Headline(
                dataset=row.dataset,
                method=row.method if first else row.named,
                value=row.instance.value,
                low=row.instance.low,
                high=row.instance.high,
                remark=f"{row.answer}, {row.objects:,} shapes, {len(row.categories)} categories",
                mark=SEARCHED_ON_TEST if row.searched_on_test else "",
                above=next((Above(name=name, difference=found) for name, found in row.above.items()), None),
            )

    def table(self, results: EvaluationResults) -> ResultTable:
        columns = (
            Column("data set"), Column("method"), Column("answer"), Column("shapes"), Column("instance"),
            Column(f"{100 * results.interval_level:g}% interval"), Column("category"), Column("points", wide=True),
        )  # fmt: skip
        return ResultTable("Mean IoU of parts, percent", columns, tuple(map(_cells, results.of(self))))

    def sections(self, data: ReportData) -> Iterator[Section]:
        rows = data.results.of(self)
        yield Section("parts", "Part segmentation", answers_table(rows))
        yield Section("parts-categories", "Parts by category", categories_table(rows, data.show_published))
        yield Section("parts-shapes", "Shapes in colours of their parts", shapes(rows))


def _cells(row: SegmentationResult) -> tuple[Cell, ...]:
    low, high = row.instance.low, row.instance.high
    interval = "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
    answer = f"{row.answer} ({SEARCHED_ON_TEST})" if row.searched_on_test else row.answer
    instance, category, right = (round(100 * one.value, 1) for one in (row.instance, row.category, row.accuracy))
    return row.dataset, row.method, answer, row.objects, instance, interval, category, right


SEGMENTATION = Segmentation()
