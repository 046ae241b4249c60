"""Published OpenDlign checkpoints as train outputs, and train outputs as checkpoints in the published schema."""

import tempfile
from pathlib import Path

from opendlign_core.training import STAGE_VERSION, TrainRecipe
from storage.fetch import Fetcher
from storage.fingerprint import StageIdentity, digest
from storage.output import StageOutput, file_sha256
from storage.records import Manifest
from storage.store import Store

STAGE = "train"


def import_weights(store: Store, path: Path, recipe: TrainRecipe) -> Manifest:
    """Put a published `.pth` file into the store as a train output that evaluation takes like any other.

    The output holds the checkpoint's whole CLIP beside the branch weights, so that nothing is downloaded to use it.
    """
    from opendlign_core.training import import_official, read_official

    identity = StageIdentity.of(STAGE, STAGE_VERSION, recipe, {"official": digest(file_sha256(path))})
    output = StageOutput(store, identity)
    if found := output.manifest():
        return found
    with tempfile.TemporaryDirectory(prefix="opendlign-import-") as scratch:
        clip, branch = Path(scratch) / "clip.safetensors", Path(scratch) / "branch.safetensors"
        checkpoint = read_official(path)
        import_official(checkpoint, recipe, clip, branch, identity.fingerprint)
        return output.commit_manifest(
            files={"adapter": branch, "clip": clip}, summary={"epochs": checkpoint.epoch + 1}
        )


def export_weights(store: Store, manifest: Manifest, path: Path) -> None:
    """Write a train output as a `.pth` file in the published schema.

    The optimiser's moments are not part of an output; the file says so with an empty state.
    """
    from opendlign_core.training import DepthBranchLearner, write_official
    from tasks.train import load_branch

    recipe = TrainRecipe.model_validate(manifest.recipe)
    with Fetcher(store) as fetcher:
        learner = DepthBranchLearner(load_branch(fetcher, manifest, "cpu"), recipe)
    steps = int(manifest.summary.get("steps", 0))
    write_official(path, learner, steps, max(steps, 1), int(manifest.summary.get("epochs", recipe.epochs)) - 1)
