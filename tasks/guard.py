"""The regression guard: a headline too far below the best accepted one stops the run, and is not accepted."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from storage.store import Store
from tasks.errors import OutputRefused

if TYPE_CHECKING:
    from opendlign_core.evaluation.results import EvaluationResults

_ROUNDING = 1e-9
"""0.50 - 0.48 is a little more than 0.02."""

Headlines = dict[str, dict[str, float]]
"""Measure -> `data set | method` -> share."""


class RegressionFound(OutputRefused):
    """A headline fell by more than the allowed drop on some data set."""


def check_regression(
    store: Store, name: str, fingerprint: str, results: "EvaluationResults", allowed_drop: float
) -> None:
    """Compare every headline with the best in `accepted/<name>.json`; what is better takes its place there.

    Small falls are accepted but leave the best where it is, so that they cannot add up from run to run.

    Raises:
        RegressionFound: a headline lies more than `allowed_drop` below the best accepted one.
    """
    best, found = _accepted(store, name), _headlines(results)
    if falls := list(_falls(best, found, allowed_drop)):
        raise RegressionFound(
            f"{'; '.join(falls)}: more than the allowed {100 * allowed_drop:g} points. The results are kept as "
            f"evaluate/{fingerprint}; raise allowed_drop to let them pass, or remove accepted/{name}.json from the "
            "store to compare with nothing before them."
        )
    _accept(store, name, {"fingerprint": fingerprint, **_better_of(best, found)})


def _headlines(results: "EvaluationResults") -> Headlines:
    found: Headlines = {}
    from opendlign_core.evaluation import all_headlines

    for benchmark, headline in all_headlines(results):
        row = f"{headline.dataset} | {headline.method}"
        found.setdefault(benchmark.accepted_as, {})[row] = headline.value
    return found


def _falls(best: Headlines, found: Headlines, allowed_drop: float) -> Iterator[str]:
    for measure, rows in found.items():
        for row, value in rows.items():
            known = best.get(measure, {}).get(row)
            if known is not None and known - value > allowed_drop + _ROUNDING:
                yield f"{row}: {measure} fell from {100 * known:.1f}, the best accepted, to {100 * value:.1f}"


def _better_of(best: Headlines, found: Headlines) -> Headlines:
    """The higher of both for every row; rows that are in one of them alone stay."""
    merged = {measure: dict(rows) for measure, rows in best.items()}
    for measure, rows in found.items():
        kept = merged.setdefault(measure, {})
        kept |= {row: max(value, kept.get(row, value)) for row, value in rows.items()}
    return merged


def _accepted(store: Store, name: str) -> Headlines:
    try:
        text = store.read(f"accepted/{name}.json")
    except FileNotFoundError:
        return {}
    return {measure: rows for measure, rows in json.loads(text).items() if measure != "fingerprint"}


def _accept(store: Store, name: str, verdict: Mapping[str, object]) -> None:
    with tempfile.TemporaryDirectory(prefix="opendlign-accept-") as scratch:
        path = Path(scratch) / "accepted.json"
        path.write_text(json.dumps(verdict, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        store.put_file(path, f"accepted/{name}.json")
