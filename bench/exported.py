"""What a depth tower for open_clip keeps of the depth branch, on a store in which mini has run.

Right answers by the cosines averaged over ten views, all through one tower: the frozen CLIP, the depth branch, and the
exported single tower for several shares of trained weights, of models that differ in the seed of their training. The
share that ships is chosen on `val` of the first, and `test` is reported for it.

    opendlign train --preset mini --set train.seed=43    # and so on
    python -m bench.exported --store store --seeds 42,43,44
"""

import argparse
import copy
import json
from pathlib import Path
from typing import Any

import opendlign_core as od
from bench.starts import RESULTS
from opendlign.models import OWN, Trained, Which, find
from opendlign_core.evaluation import METHODS, DatasetSpec, EvalSample, EvaluatedModel
from opendlign_core.evaluation.objects import classify, shape_embeddings
from opendlign_core.training.depth_branch.folder import TRAINED_SHARE

SHARES = (1.0, 0.9, 0.75, 0.6, 0.5)
ALL_TUNED = METHODS["aligned-texts"]


def samples(trained: Trained, split: str) -> list[EvalSample]:
    return list(trained.samples().samples(DatasetSpec(name=split), split, OWN))


def right(model: EvaluatedModel, shapes: list[EvalSample]) -> int:
    labels = sorted({shape.label for shape in shapes if shape.label})
    found = classify(model, shapes, labels, ALL_TUNED)
    return sum(one.prediction == shape.label for one, shape in zip(found, shapes, strict=True))


def mixed(model: EvaluatedModel, share: float) -> EvaluatedModel:
    """The model with the tower of an export in place of both branches."""
    changed = copy.deepcopy(model)
    encoder: Any = changed.encoder
    last, trained = encoder.clip.visual.transformer.resblocks[-1], encoder.depth_blocks[-1]
    weights = {name: tensor.lerp(trained.state_dict()[name], share) for name, tensor in last.state_dict().items()}
    last.load_state_dict(weights)
    trained.load_state_dict(weights)
    return changed


def measured(trained: Trained) -> dict[str, Any]:
    """What one model's tower keeps, by share on `val`, and on `test` for the share that ships."""
    validation, test = samples(trained, "val"), samples(trained, "test")
    branch = shape_embeddings(trained.model, validation, ALL_TUNED)
    tried = {}
    for share in SHARES:
        tower = mixed(trained.model, share)
        cosine = (shape_embeddings(tower, validation, ALL_TUNED) * branch).sum(axis=1).mean()
        tried[str(share)] = {"right": right(tower, validation), "cosine_to_branch": round(float(cosine), 3)}
    return {
        "val": {"objects": len(validation), "depth branch": right(trained.model, validation), "share": tried},
        "test": {
            "objects": len(test),
            "frozen": right(od.load("package:mini").encoders, test),
            "depth branch": right(trained.model, test),
            "depth tower": right(mixed(trained.model, TRAINED_SHARE), test),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="store", help="a store in which mini has run")
    parser.add_argument("--seeds", default="42", help="of the trainings in it, with commas")
    given = parser.parse_args()
    models = {
        seed: find(Which(preset="mini", store=given.store, set_=[f"train.seed={seed}"]))
        for seed in given.seeds.split(",")
    }
    found = {"share": TRAINED_SHARE, "seeds": {seed: measured(trained) for seed, trained in models.items()}}
    print(json.dumps(found, indent=1))
    path: Path = RESULTS.with_name("exported.json")
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
