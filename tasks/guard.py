"""The regression guard: a headline too far below the best accepted one stops the run, and is not accepted."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.store import Store
from tasks.errors import OutputRefused

if TYPE_CHECKING:
    from opendlign_core.evaluation.results import EvaluationResults

_ROUNDING = 1e-9
"""0.50 - 0.48 is a little more than 0.02."""

ANYTHING = 1.0
"""The allowed drop by which results are taken as the new standard, whatever they are."""

FALLS_TOLD = 2

Headlines = dict[str, dict[str, float]]
"""Measure -> `data set | method | digest of what was judged` -> share."""


class RegressionFound(OutputRefused):
    """A headline fell by more than the allowed drop on some data set."""


@dataclass(frozen=True)
class Verdict:
    """What an evaluation found, and on what."""

    fingerprint: str
    results: "EvaluationResults"
    judged: Mapping[str, str]
    """Data set -> digest of the judged objects and classes: numbers of others are another matter."""

    def headlines(self) -> Headlines:
        from opendlign_core.evaluation import all_headlines

        found: Headlines = {}
        for benchmark, headline in all_headlines(self.results):
            row = " | ".join((headline.dataset, headline.method, self.judged.get(headline.dataset, "")))
            found.setdefault(benchmark.accepted_as, {})[row] = headline.value
        return found


def check_regression(store: Store, name: str, verdict: Verdict, allowed_drop: float) -> None:
    """Compare every headline with the best in `accepted/<name>.json`; what is better takes its place there.

    Small falls are accepted but leave the best where it is, so that they cannot add up from run to run. Where anything
    is allowed to fall, what was found becomes the standard.

    Raises:
        RegressionFound: a headline lies more than `allowed_drop` below the best accepted one of the same objects.
    """
    accepted, best, found = _accepted(store, name), accepted_headlines(store, name), verdict.headlines()
    if falls := sorted(_falls(best, found, allowed_drop), reverse=True):
        told = [sentence for _, sentence in falls[:FALLS_TOLD]]
        if more := len(falls) - len(told):
            told.append(f"{more} more headlines fell")
        raise RegressionFound(
            f"{'; '.join(told)}: more than the allowed {100 * allowed_drop:g} points. The results are kept as "
            f"evaluate/{verdict.fingerprint}, and refused whenever they are asked for; to make them the standard, run "
            f"once with --set execution.evaluate.allowed_drop={ANYTHING:g}"
        )
    renewed = {"fingerprint": verdict.fingerprint, **_standard(best, found, allowed_drop)}
    if renewed != accepted:
        _accept(store, name, renewed)


def accepted_headlines(store: Store, name: str) -> Headlines:
    """The best that was accepted so far of every headline of a series."""
    return {measure: rows for measure, rows in _accepted(store, name).items() if measure != "fingerprint"}


def unguarded(best: Headlines, found: Headlines) -> list[str]:
    """Data sets on which something was accepted before, but nothing on the objects and classes that are judged now.

    >>> unguarded({"top1": {"shapes | opendlign | ten": 0.7}}, {"top1": {"shapes | opendlign | forty": 0.4}})
    ['shapes']
    """
    known = {row for rows in best.values() for row in rows}
    now = {row for rows in found.values() for row in rows}
    return sorted(
        {_dataset(row) for row in known} & {_dataset(row) for row in now} - {_dataset(row) for row in known & now}
    )


def _dataset(row: str) -> str:
    return row.partition(" | ")[0]


def _falls(best: Headlines, found: Headlines, allowed_drop: float) -> Iterator[tuple[float, str]]:
    """How far every headline fell that fell too far, with a sentence for it."""
    for measure, rows in found.items():
        for row, value in rows.items():
            known = best.get(measure, {}).get(row)
            if known is not None and known - value > allowed_drop + _ROUNDING:
                told = row.rpartition(" | ")[0]
                sentence = f"{told}: {measure} fell from {100 * known:.1f}, the best accepted, to {100 * value:.1f}"
                yield known - value, sentence


def _standard(best: Headlines, found: Headlines, allowed_drop: float) -> Headlines:
    """The higher of both for every row, or what was found; rows that are in one of them alone stay."""
    merged = {measure: dict(rows) for measure, rows in best.items()}
    for measure, rows in found.items():
        kept = merged.setdefault(measure, {})
        least = {} if allowed_drop >= ANYTHING else dict(kept)
        kept |= {row: max(value, least.get(row, value)) for row, value in rows.items()}
    return merged


def _accepted(store: Store, name: str) -> dict[str, Any]:
    """Measures with their rows, beside the fingerprint of the results that were accepted last."""
    try:
        found: dict[str, Any] = json.loads(store.read(f"accepted/{name}.json"))
        return found
    except FileNotFoundError:
        return {}


def _accept(store: Store, name: str, accepted: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory(prefix="opendlign-accept-") as scratch:
        path = Path(scratch) / "accepted.json"
        path.write_text(json.dumps(accepted, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        store.put_file(path, f"accepted/{name}.json")
