"""What `mini-scenes` finds in unseen rooms, over seeds: AP in found and in true boxes, tuned and frozen, and why.

`python -m bench.mini_scenes [--seeds 1 2 3] [--stores DIR] [--dry]` runs the preset for every seed, each in a store of
its own below DIR (finished outputs are taken as they are), and writes bench/results/mini_scenes.json. Every seed has
other rooms and other training; intervals are over resampled rooms within each seed, those above the frozen branch
paired.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.projection import machine
from flows.preset import load_preset
from flows.regenerate import regenerate
from opendlign_core.evaluation import EvalExecution
from opendlign_core.evaluation.detection.benchmark import DETECTION
from opendlign_core.evaluation.detection.breakdown import Breakdown, break_down
from opendlign_core.evaluation.detection.counting import OVERLAPS, Draw, copies_of
from opendlign_core.evaluation.detection.session import Session
from opendlign_core.evaluation.lab import Lab
from opendlign_core.evaluation.run import cases
from opendlign_core.evaluation.specs import BootstrapSpec
from storage.output import load_manifest
from storage.stores import open_store
from tasks.evaluate import EVALUATE, evaluated_outputs, proposed_outputs
from tasks.features import StoredFeatures
from tasks.ports import Input, Inputs
from tasks.samples import StoredSamples
from tasks.train import load_trained

RESULTS = Path(__file__).parent / "results"
FROZEN = "training-free"
SPEC = BootstrapSpec()
Draws = Mapping[str, Draw]
"""By method and boxes."""


def judged(seed: int, folder: Path) -> Draws:
    """What every method finds in the rooms of a seed, with the model that was trained in other rooms of it."""
    changes = [f"ingest.source.options.seed={seed}"]
    made = regenerate("mini-scenes", str(folder), changes)
    preset, store = load_preset("mini-scenes", changes), open_store(folder)
    graph = preset.graph
    node, nodes = graph.first(EVALUATE), graph.by_name()
    inputs: Inputs = {
        port: [Input(load_manifest(store, nodes[name].stage.name, made[name]), nodes[name].label) for name in names]
        for port, names in node.inputs.items()
    }
    samples = StoredSamples(store, evaluated_outputs(inputs), proposed_outputs(inputs))
    model = load_trained(store, inputs["model"][0].manifest, "cpu")
    lab = Lab(model, node.recipe, samples, EvalExecution(), StoredFeatures(store, f"evaluate/{made[node.name]}"))
    found: dict[str, Draw] = {}
    for case in cases(lab, node.recipe):
        session = Session(case, DETECTION.options_in(node.recipe))
        for kind in session.sources:
            found |= {f"{method}, {kind}": draws[0] for method, draws in session.draws(kind)}
    return found


def row(name: str, seeds: Sequence[Draws]) -> dict[str, Any]:
    """The numbers of one method in one kind of boxes, in percent."""
    method, _, kind = name.rpartition(", ")
    told: dict[str, Any] = {}
    for percent in OVERLAPS:
        values = [_mean_precision(draws[name], percent) for draws in seeds]
        resampled = _resampled(name, percent, seeds)
        told[f"AP{percent}"] = _estimate(values, resampled) | {"by_seed": [_rounded(value) for value in values]}
        if method != FROZEN:
            base = f"{FROZEN}, {kind}"
            gains = [value - _mean_precision(draws[base], percent) for value, draws in zip(values, seeds, strict=True)]
            told[f"AP{percent}_above_frozen"] = _estimate(gains, resampled - _resampled(base, percent, seeds))
    errors = [break_down(draws[name].one_name_each, OVERLAPS[0] / 100) for draws in seeds]
    return told | {"errors": _errors(errors)}


def _mean_precision(draw: Draw, percent: int) -> float:
    once = np.ones((1, len(draw.scenes)), np.int64)
    return float(draw.precisions(percent, once)[0])


def _resampled(name: str, percent: int, seeds: Sequence[Draws]) -> NDArray[np.float64]:
    """The mean over seeds, rooms drawn anew within each."""
    specs = [SPEC.model_copy(update={"seed": place}) for place in range(len(seeds))]
    each = [
        draws[name].precisions(percent, copies_of(len(draws[name].scenes), spec))
        for draws, spec in zip(seeds, specs, strict=True)
    ]
    return np.asarray(np.mean(each, axis=0))


def _errors(found: Sequence[Breakdown]) -> dict[str, Any]:
    """Counts over all seeds, and mean AP25 where one kind of error alone were mended."""
    return {
        "detections": {kind: sum(one.detections[kind] for one in found) for kind in found[0].detections},
        "missed": sum(one.missed for one in found),
        "unseen": sum(one.unseen for one in found),
        "AP25_one_name_each": _rounded(np.mean([one.average_precision for one in found])),
        "AP25_mended": {kind: _rounded(np.mean([one.mended[kind] for one in found])) for kind in found[0].mended},
    }


def _estimate(values: Sequence[float], resampled: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {"value": _rounded(np.mean(values)), "low": _rounded(low), "high": _rounded(high)}


def _rounded(share: Any) -> float:
    return round(100 * float(share), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--stores", type=Path, help="folder for a store of each seed; a temporary one when left out")
    parser.add_argument("--dry", action="store_true", help="no result file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = options.stores or Path(temporary)
        seeds = [judged(seed, place / f"s{seed}") for seed in options.seeds]
        first = [next(iter(draws.values())) for draws in seeds]
        found: dict[str, Any] = {"machine": machine(), "seeds": options.seeds}
        found |= {"rooms": [len(draw.scenes) for draw in first]}
        found |= {"things": [sum(len(there.classes) for there in draw.truths) for draw in first]}
        found["rows"] = {name: row(name, seeds) for name in seeds[0]}
    print(json.dumps(found, indent=2))
    if not options.dry:
        (RESULTS / "mini_scenes.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
