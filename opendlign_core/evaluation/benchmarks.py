"""The benchmarks there are. A recipe's `tasks` chooses among them by name."""

from collections.abc import Iterable
from typing import Any

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.benchmark import Benchmark
from opendlign_core.evaluation.classification.few_shot import FEW_SHOT
from opendlign_core.evaluation.classification.retrieval import RETRIEVAL
from opendlign_core.evaluation.classification.views import VIEWS
from opendlign_core.evaluation.classification.zero_shot import ZERO_SHOT
from opendlign_core.evaluation.detection.benchmark import DETECTION
from opendlign_core.evaluation.findings import Headline
from opendlign_core.evaluation.pose.benchmark import POSE
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.segmentation.benchmark import SEGMENTATION

BENCHMARKS: tuple[Benchmark[Any], ...] = (ZERO_SHOT, FEW_SHOT, VIEWS, RETRIEVAL, SEGMENTATION, DETECTION, POSE)
"""In the order of `results.json` and of the report."""


def benchmark_names() -> tuple[str, ...]:
    """What `tasks` may name."""
    return tuple(benchmark.name for benchmark in BENCHMARKS)


def find_benchmark(name: str) -> Benchmark[Any]:
    """The benchmark of that name.

    Raises:
        BadInput: there is none.
    """
    for benchmark in BENCHMARKS:
        if benchmark.name == name:
            return benchmark
    raise BadInput(f"unknown benchmark {name!r}; known: {', '.join(benchmark_names())}")


def chosen_benchmarks(names: Iterable[str]) -> tuple[Benchmark[Any], ...]:
    """The benchmarks of those names, in the order of `BENCHMARKS`."""
    wanted = {find_benchmark(name).name for name in names}
    return tuple(benchmark for benchmark in BENCHMARKS if benchmark.name in wanted)


def judged_by(results: EvaluationResults) -> tuple[Benchmark[Any], ...]:
    """The benchmarks that have rows in these results."""
    return tuple(benchmark for benchmark in BENCHMARKS if results.of(benchmark))


def all_headlines(results: EvaluationResults) -> list[tuple[Benchmark[Any], Headline]]:
    """The headlines of every benchmark that has rows."""
    return [(benchmark, headline) for benchmark in judged_by(results) for headline in benchmark.headlines(results)]
