"""Number of views: zero-shot accuracy when fewer depth maps are looked at."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opendlign_core.evaluation.benchmark import Benchmark, Cell, Column, ResultTable
from opendlign_core.evaluation.classification.metrics import label_ranks, top_k_accuracy
from opendlign_core.evaluation.classification.scoring import score, views_of_count
from opendlign_core.evaluation.findings import SEARCHED_ON_TEST, Findings, Headline, Row
from opendlign_core.evaluation.report.charts import Series, line_chart
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.html import Section, panels, tag
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.titles import dataset_title

if TYPE_CHECKING:
    from opendlign_core.evaluation.cases import Case


class ViewsResult(Row):
    """Zero-shot top-1 with some of the views."""

    method: str
    views: tuple[int, ...]
    top1: float
    searched_on_test: bool = False


class Views(Benchmark[ViewsResult]):
    """Top-1 with each of the recipe's `view_counts`, as far as the projection draws so many."""

    name = "views"
    measure = "top-1"
    accepted_as = "views_top1"
    row = ViewsResult
    written_when_empty = True

    def run(self, case: "Case") -> Findings[ViewsResult]:
        counts = (count for count in case.recipe.view_counts if count <= case.views)
        return Findings(tuple(_judged(case, views_of_count(count, case.views)) for count in counts))

    def headlines(self, results: EvaluationResults) -> Iterator[Headline]:
        """Accuracy with the most views."""
        most: dict[tuple[str, str], ViewsResult] = {}
        for row in results.of(self):
            known = most.setdefault((row.dataset, row.method), row)
            if len(row.views) > len(known.views):
                most[row.dataset, row.method] = row
        for row in most.values():
            yield Headline(
                dataset=row.dataset,
                method=row.method,
                value=row.top1,
                remark=f"{len(row.views)} views",
                mark=SEARCHED_ON_TEST if row.searched_on_test else "",
            )

    def table(self, results: EvaluationResults) -> ResultTable:
        columns = (Column("data set"), Column("method"), Column("views"), Column("top-1"))
        return ResultTable("Accuracy over views, percent", columns, tuple(map(_cells, results.of(self))))

    def sections(self, data: ReportData) -> Iterator[Section]:
        """Accuracy over the number of views, a chart for each data set."""
        lines: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for row in data.results.of(self):
            lines.setdefault(row.dataset, {}).setdefault(_named(row), []).append((len(row.views), 100 * row.top1))
        charts = (
            tag("div", tag("h3", dataset_title(dataset)), line_chart(_series(methods), "views", "top-1 %"))
            for dataset, methods in lines.items()
        )
        yield Section("views", "Number of views", panels(charts))


def _judged(case: "Case", views: list[int]) -> ViewsResult:
    ranks = label_ranks(score(case.test.features, case.head.text, case.head.method, views), case.test.labels)
    return ViewsResult(
        dataset=case.dataset.name,
        method=case.method.name,
        views=tuple(views),
        top1=top_k_accuracy(ranks, 1),
        searched_on_test=case.method.sees_test_labels,
    )


def _series(methods: dict[str, list[tuple[float, float]]]) -> list[Series]:
    return [Series(name, tuple(sorted(points))) for name, points in methods.items()]


def _cells(row: ViewsResult) -> tuple[Cell, ...]:
    return row.dataset, _named(row), len(row.views), round(100 * row.top1, 2)


def _named(row: ViewsResult) -> str:
    return f"{row.method} ({SEARCHED_ON_TEST})" if row.searched_on_test else row.method


VIEWS = Views()
