"""Published OpenDlign checkpoints as train outputs, and train outputs as files for other programs."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from opendlign_core.api.model import Seeing
from opendlign_core.training import STAGE_VERSION, TrainRecipe
from storage.fetch import Fetcher
from storage.fingerprint import StageIdentity, digest
from storage.output import StageOutput, file_sha256
from storage.records import Manifest
from storage.store import Store
from tasks.cards import model_card

if TYPE_CHECKING:
    from opendlign_core.training import Tower

STAGE = "train"
LOADING = {
    "frozen": """## Loading

`open_clip.create_model_and_transforms("local-dir:FOLDER")` gives the frozen CLIP, exactly as it was; the depth branch,
in `depth_branch.safetensors`, is beyond it. `opendlign_core.load("FOLDER")` gives both.
""",
    "depth": """## Loading

`open_clip.create_model_and_transforms("local-dir:FOLDER")` gives a CLIP for depth maps: the weights of its last
blocks lie between the frozen and the trained ones. That is near to the depth branch, which averages what both give,
and not the same; the numbers above are the branch's. The frozen tower is not in here.
""",
}
"""What to say of a folder, by its tower."""


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


def export_branch(store: Store, manifest: Manifest, path: Path) -> None:
    """Write the trained tensors of a train output, with their recipe, as a .safetensors file."""
    with Fetcher(store) as fetcher:
        fetcher.copy(manifest, "adapter", path)


def export_folder(store: Store, manifest: Manifest, folder: Path, seeing: Seeing, tower: "Tower") -> None:
    """Write a train output as a folder that open_clip reads, with a card; `seeing` is how shapes come before it."""
    from opendlign_core.training import write_folder
    from tasks.train import load_branch

    recipe = TrainRecipe.model_validate(manifest.recipe)
    folder.mkdir(parents=True, exist_ok=True)
    with Fetcher(store) as fetcher:
        model = load_branch(fetcher, manifest, "cpu")
        write_folder(model, recipe, folder, manifest.fingerprint, tower)
    seeing.write(folder)
    (folder / "README.md").write_text(f"{model_card(store, manifest)}\n{LOADING[tower]}", encoding="utf-8")


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
