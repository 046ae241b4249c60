"""One file adds a benchmark: this one. Nothing else is told of it but the tuple that lists the benchmarks."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from pydantic import Field

from flows.preset import load_preset
from flows.regenerate import regenerate
from opendlign.show import console, print_results
from opendlign_core.evaluation import (
    BENCHMARKS,
    ZERO_SHOT,
    Benchmark,
    Column,
    EvalRecipe,
    EvaluationResults,
    Findings,
    Headline,
    ResultTable,
    Row,
    benchmarks,
    read_results,
    results_text,
)
from opendlign_core.evaluation.report.html import Section, tag
from opendlign_core.recipe import Recipe
from storage.stores import open_store
from tasks.artifacts import published_keys
from tasks.guard import RegressionFound

if TYPE_CHECKING:
    from opendlign_core.evaluation import Case, ReportData

pytestmark = [pytest.mark.server, pytest.mark.timeout(300), pytest.mark.xdist_group("flows")]


class ShortNamesOptions(Recipe):
    """What is short."""

    letters: int = Field(default=4, ge=1, description="letters of the longest name that is short")


class ShortNamesResult(Row):
    """How many objects of a data set have a short class name."""

    method: str
    objects: int
    short: float


class ShortNames(Benchmark[ShortNamesResult]):
    """Judges how short the class names of the objects are, which no training will improve."""

    name = "short-names"
    measure = "short"
    accepted_as = "short"
    row = ShortNamesResult
    options = ShortNamesOptions

    def run(self, case: "Case") -> Findings[ShortNamesResult]:
        limit = self.options_in(case.recipe).letters
        names = [case.test.classes[label] for label in case.test.labels]
        short = sum(len(name) <= limit for name in names) / len(names)
        row = ShortNamesResult(dataset=case.dataset.name, method=case.method.name, objects=len(names), short=short)
        return Findings((row,))

    def headlines(self, results: EvaluationResults) -> Iterator[Headline]:
        for row in results.of(self):
            yield Headline(dataset=row.dataset, method=row.method, value=row.short, remark=f"{row.objects} names")

    def table(self, results: EvaluationResults) -> ResultTable:
        rows = tuple((row.dataset, row.method, round(100 * row.short, 2)) for row in results.of(self))
        return ResultTable("Short names, percent", (Column("data set"), Column("method"), Column("short")), rows)

    def sections(self, data: "ReportData") -> Iterator[Section]:
        lines = (f"{row.method}: {100 * row.short:.0f} % <short>" for row in data.results.of(self))
        yield Section("short-names", "Short names", tag("p", "; ".join(lines)))


SHORT_NAMES = ShortNames()


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks, "BENCHMARKS", (*BENCHMARKS, SHORT_NAMES))


@pytest.fixture
def store(finished_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_store, tmp_path / "store"))


def asking(tiny_preset: str, folder: Path, **options: int) -> str:
    """The tiny preset with the benchmark, as a preset called `short`."""
    preset = yaml.safe_load(Path(tiny_preset).read_text())
    preset["evaluate"] |= {"tasks": ["zero-shot", "short-names"], "options": {"short-names": options}}
    path = folder / "short.yaml"
    path.write_text(yaml.safe_dump(preset))
    return str(path)


def evaluated(store: Path, preset: str) -> Path:
    """The folder of the evaluation that a preset leads to."""
    before = set((store / "evaluate").iterdir())
    regenerate(preset, str(store))
    (found,) = set((store / "evaluate").iterdir()) - before
    return found


def test_it_is_run_kept_reported_shown_and_guarded(store: Path, tiny_preset: str, tmp_path: Path) -> None:
    folder = evaluated(store, asking(tiny_preset, tmp_path))
    (numbers,), (page,) = folder.glob("results.*"), folder.glob("report.*")
    raw = json.loads(numbers.read_text())
    assert [row["short"] for row in raw["short_names"]] == [0.5, 0.5], "car and mug, of four equally frequent classes"
    assert list(raw)[5:10] == ["zero_shot", "few_shot", "views", "retrieval", "short_names"]
    results = read_results(numbers)
    assert [row.method for row in results.of(SHORT_NAMES)] == [row.method for row in results.of(ZERO_SHOT)]

    report = page.read_text()
    assert '<section id="short-names"' in report
    assert "% &lt;short&gt;" in report
    assert "<b>50.0 %</b><small>short, 8 names</small>" in report, "the headline has its card"
    assert published_keys(["evaluate-short-names"]) == {"evaluate-short-names"}
    with console.capture() as printed:
        print_results(results)
    assert "Short names, percent" in printed.get()

    accepted = json.loads((store / "accepted" / "short.json").read_text())
    rows = {row.rpartition(" | ")[0]: value for row, value in accepted["short"].items()}
    assert rows == {"procedural | training-free": 0.5, "procedural | opendlign": 0.5}
    with pytest.raises(RegressionFound, match=r"procedural \| opendlign: short fell from 50\.0, .* to 0\.0"):
        regenerate(asking(tiny_preset, tmp_path, letters=2), str(store))


def test_its_options_are_part_of_the_recipe_and_checked(tiny_preset: str, tmp_path: Path) -> None:
    chosen = load_preset(asking(tiny_preset, tmp_path, letters=3))
    recipe = EvalRecipe.model_validate_json(chosen.recipes["evaluate"].model_dump_json())
    assert SHORT_NAMES.options_in(recipe) == ShortNamesOptions(letters=3)
    with pytest.raises(ValueError, match="letters"):
        load_preset(asking(tiny_preset, tmp_path, letters=0))


def test_what_was_judged_before_it_came_stays_as_it_is(store: Path, tiny_preset: str) -> None:
    (numbers,) = (store / "evaluate").glob("*/results.*")
    results = read_results(numbers)
    assert results.of(SHORT_NAMES) == ()
    assert results_text(results) == numbers.read_text()
    before = set((store / "evaluate").iterdir())
    regenerate(tiny_preset, str(store))
    assert set((store / "evaluate").iterdir()) == before, "nothing is judged again"


def test_results_of_a_benchmark_that_is_gone_are_refused_by_name(
    store: Path, tiny_preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = evaluated(store, asking(tiny_preset, tmp_path))
    monkeypatch.setattr(benchmarks, "BENCHMARKS", BENCHMARKS)
    (numbers,) = folder.glob("results.*")
    with pytest.raises(ValueError, match="short_names"):
        read_results(numbers)
    assert open_store(store).exists(f"evaluate/{folder.name}/manifest.json")
