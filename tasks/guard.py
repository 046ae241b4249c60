"""The regression guard: a result that falls too far below the last accepted one stops the run, and is not accepted."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from storage.stores import Store
from tasks.errors import OutputRefused

if TYPE_CHECKING:
    from opendlign_core.evaluation.results import EvaluationResults


class RegressionFound(OutputRefused):
    """Top-1 fell by more than the allowed drop on some data set."""


def check_regression(
    store: Store, name: str, fingerprint: str, results: "EvaluationResults", allowed_drop: float
) -> None:
    """Compare with `accepted/<name>.json` row by row; the new result takes its place when it holds up."""
    top1 = {f"{row.dataset} | {row.method}": row.top1.value for row in results.zero_shot}
    before = _accepted(store, name)
    falls = [
        f"{row} fell from {100 * before[row]:.1f} to {100 * value:.1f}"
        for row, value in top1.items()
        if row in before and before[row] - value > allowed_drop
    ]
    if falls:
        raise RegressionFound(
            f"{'; '.join(falls)}: more than the allowed {100 * allowed_drop:g} points. "
            f"The results are kept as evaluate/{fingerprint}; raise allowed_drop to accept them."
        )
    _accept(store, name, {"fingerprint": fingerprint, "top1": top1})


def _accepted(store: Store, name: str) -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads(store.read(f"accepted/{name}.json"))["top1"]
    except FileNotFoundError:
        return {}
    return found


def _accept(store: Store, name: str, verdict: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory(prefix="opendlign-accept-") as scratch:
        path = Path(scratch) / "accepted.json"
        path.write_text(json.dumps(verdict, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        store.put_file(path, f"accepted/{name}.json")
