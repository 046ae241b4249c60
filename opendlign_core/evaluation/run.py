"""Runs a recipe: every benchmark it chooses, for every method on every data set."""

from collections.abc import Callable, Iterable, Iterator

from opendlign_core.evaluation.cached import FeatureCache
from opendlign_core.evaluation.cases import Case, SharedFeatures
from opendlign_core.evaluation.execution import EvalExecution
from opendlign_core.evaluation.findings import Example, Findings, Judged, Row
from opendlign_core.evaluation.lab import EvalSource, Lab
from opendlign_core.evaluation.model import EvaluatedModel
from opendlign_core.evaluation.recipe import EvalRecipe
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.specs import MethodSpec


def evaluate(
    model: EvaluatedModel,
    recipe: EvalRecipe,
    source: EvalSource,
    execution: EvalExecution | None = None,
    cache: FeatureCache | None = None,
    advance: Callable[[], None] = lambda: None,
) -> tuple[EvaluationResults, tuple[Judged, ...]]:
    """Run the whole recipe and return the results with every object's scores (`write_results` takes both).

    Args:
        model: the encoders that are judged.
        recipe: data sets, benchmarks and methods.
        source: where samples come from.
        execution: batch sizes, and where sentence libraries lie.
        cache: keeps features and class texts beyond this run.
        advance: called after each object that is read; what it raises ends the evaluation there.

    Raises:
        BadInput: the recipe asks for what the source or the model cannot give.
    """
    if recipe.reads.maps:
        recipe.require_views(source.views())
    lab = Lab(model, recipe, source, execution or EvalExecution(), cache, advance)
    found: list[tuple[str, Findings[Row]]] = []
    for case in cases(lab, recipe):
        for benchmark in recipe.benchmarks:
            if benchmark.judges(recipe, case.method):
                with lab.timed(benchmark.name):
                    found.append((benchmark.name, benchmark.run(case)))
    return _collected(lab, found), tuple(part for _, findings in found for part in findings.objects)


def cases(lab: Lab, recipe: EvalRecipe) -> Iterator[Case]:
    """Every judged method on every data set, those that see the same pixels one after the other."""
    painted = recipe.reads.painted
    for dataset in recipe.datasets:
        for methods in _by_pixels(recipe.judged):
            shared = SharedFeatures(lab, dataset, methods, painted and recipe.primary in methods)
            yield from (Case(shared, method) for method in methods)


def _by_pixels(methods: Iterable[MethodSpec]) -> list[tuple[MethodSpec, ...]]:
    """Methods that see the same pixels together."""
    groups: dict[tuple[str, str], tuple[MethodSpec, ...]] = {}
    for method in methods:
        pixels = (method.projection, method.pixels)
        groups[pixels] = (*groups.get(pixels, ()), method)
    return list(groups.values())


def _collected(lab: Lab, found: list[tuple[str, Findings[Row]]]) -> EvaluationResults:
    rows: dict[str, tuple[Row, ...]] = {}
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()
    for name, findings in found:
        rows[name] = (*rows.get(name, ()), *findings.rows)
        examples, notes = (*examples, *findings.examples), (*notes, *findings.notes)
    return EvaluationResults(
        model=lab.model.name,
        model_fingerprint=lab.model.fingerprint,
        primary=lab.recipe.primary.name,
        precision=lab.recipe.precision,
        interval_level=lab.recipe.bootstrap.level,
        rows=rows,
        examples=examples,
        notes=notes,
        seconds=lab.seconds,
    )
