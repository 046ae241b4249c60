"""Few-shot classification: a linear classifier on the features of a few examples a class."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from opendlign_core.evaluation.benchmark import Benchmark, Cell, Column, Reads, ResultTable
from opendlign_core.evaluation.choices import EvalChoices
from opendlign_core.evaluation.classification.published import published_few_shot
from opendlign_core.evaluation.classification.regression import few_shot_accuracy
from opendlign_core.evaluation.classification.scoring import view_features
from opendlign_core.evaluation.findings import Findings, Headline, Row
from opendlign_core.evaluation.report.charts import Series, line_chart
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.html import (
    NO_NUMBER,
    Markup,
    Section,
    badge,
    joined,
    panels,
    percent,
    scrolling,
    table,
    tag,
)
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.specs import MethodSpec
from opendlign_core.evaluation.titles import dataset_key, dataset_title

if TYPE_CHECKING:
    from opendlign_core.evaluation.cases import Case

Lines = dict[str, list["FewShotResult"]]
"""Method -> its rows on one data set."""


class FewShotResult(Row):
    """Accuracy over seeds for one number of shots."""

    method: str
    shots: int
    mean: float
    std: float
    accuracies: tuple[float, ...]


class FewShot(Benchmark[FewShotResult]):
    """Mean and deviation over the seeds for every number of shots.

    It depends on the features alone: methods that differ in words or sums share one row, the first method's.
    """

    name = "few-shot"
    measure = "few-shot top-1"
    accepted_as = "few_shot_top1"
    row = FewShotResult
    written_when_empty = True

    def reads(self, recipe: EvalChoices) -> Reads:
        return Reads(train=True)

    def judges(self, recipe: EvalChoices, method: MethodSpec) -> bool:
        return recipe.is_first_of_its_features(method)

    def run(self, case: "Case") -> Findings[FewShotResult]:
        return Findings(tuple(_judged(case, shots) for shots in case.recipe.few_shot.shots))

    def headlines(self, results: EvaluationResults) -> Iterator[Headline]:
        """Accuracy with the most examples; the range is one deviation to both sides."""
        for lines in _by_dataset(results.of(self)).values():
            for rows in lines.values():
                row = max(rows, key=lambda row: row.shots)
                yield Headline(
                    dataset=row.dataset,
                    method=row.method,
                    value=row.mean,
                    low=max(row.mean - row.std, 0.0),
                    high=min(row.mean + row.std, 1.0),
                    remark=f"{row.shots} examples a class, ± one deviation of {len(row.accuracies)} draws",
                )

    def table(self, results: EvaluationResults) -> ResultTable:
        columns = (Column("data set"), Column("method"), Column("examples a class"), Column("top-1"), Column("±"))
        return ResultTable("Few-shot accuracy, percent", columns, tuple(map(_cells, results.of(self))))

    def sections(self, data: ReportData) -> Iterator[Section]:
        """Accuracy over shots per data set, with one standard deviation, beside published lines."""
        found = _by_dataset(data.results.of(self))
        published = published_few_shot() if data.show_published else {}
        papers = {name: published.get(dataset_key(name), {}) for name in found}
        charts = panels(_chart(name, lines, papers[name]) for name, lines in found.items())
        tables = (_table(name, lines, papers[name]) for name, lines in found.items())
        yield Section("few-shot", "Few-shot classification", joined([charts, *tables]))


def _judged(case: "Case", shots: int) -> FewShotResult:
    spec, train, test = case.recipe.few_shot, case.train, case.test
    seen, unseen = view_features(train.features, case.method), view_features(test.features, case.method)
    found = [few_shot_accuracy(seen, train.labels, unseen, test.labels, shots, seed, spec) for seed in spec.seeds]
    return FewShotResult(
        dataset=case.dataset.name,
        method=case.method.name,
        shots=shots,
        mean=float(np.mean(found)),
        std=float(np.std(found)),
        accuracies=tuple(found),
    )


def _by_dataset(rows: Iterable[FewShotResult]) -> dict[str, Lines]:
    found: dict[str, Lines] = {}
    for row in rows:
        found.setdefault(row.dataset, {}).setdefault(row.method, []).append(row)
    return found


def _cells(row: FewShotResult) -> tuple[Cell, ...]:
    return row.dataset, row.method, row.shots, round(100 * row.mean, 2), round(100 * row.std, 2)


def _chart(dataset: str, methods: Lines, papers: dict[str, dict[int, float]]) -> Markup:
    lines = [
        Series(
            method,
            tuple((float(row.shots), 100 * row.mean) for row in rows),
            tuple(100 * row.std for row in rows),
        )
        for method, rows in methods.items()
    ]
    lines += [
        Series(f"{name} (published)", tuple(sorted(points.items())), published=True) for name, points in papers.items()
    ]
    return tag("div", tag("h3", dataset_title(dataset)), line_chart(lines, "shots per class", "top-1 %", log_x=True))


def _table(dataset: str, methods: Lines, papers: dict[str, dict[int, float]]) -> Markup:
    shots = sorted({row.shots for rows in methods.values() for row in rows})
    lines = [_measured(method, rows, shots) for method, rows in methods.items()]
    lines += [_published(name, points, shots) for name, points in papers.items()]
    head = [dataset_title(dataset), *(tag("th", f"{count}-shot", class_="number") for count in shots)]
    return scrolling(table(head, lines))


def _measured(method: str, rows: Sequence[FewShotResult], shots: Sequence[int]) -> Markup:
    known = {row.shots: row for row in rows}
    cells = (_cell(known[count]) if count in known else NO_NUMBER for count in shots)
    return tag("tr", tag("td", method), *cells, class_="measured")


def _cell(row: FewShotResult) -> Markup:
    return tag("td", percent(row.mean), tag("small", f" ± {percent(row.std)}"), class_="number")


def _published(name: str, points: dict[int, float], shots: Sequence[int]) -> Markup:
    cells = (tag("td", f"{points[count]:.1f}", class_="number") if count in points else NO_NUMBER for count in shots)
    return tag("tr", tag("td", name, badge("published", warns=False)), *cells, class_="published")


FEW_SHOT = FewShot()
