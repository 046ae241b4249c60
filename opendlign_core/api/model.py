"""A CLIP that sees shapes: loaded from a store, a folder or the package."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict

from opendlign_core.api.shapes import POINTS
from opendlign_core.api.stored import StoredModel, find_stored
from opendlign_core.clip.spec import CONFIG_FILE, PACKAGE, ClipSpec, packaged_folder
from opendlign_core.errors import BadInput
from opendlign_core.projection.recipe import RECIPES, ProjectionRecipe

if TYPE_CHECKING:
    from opendlign_core.evaluation import EvaluatedModel

SHAPES_FILE = "shapes.json"


class Seeing(BaseModel):
    """How a model sees a shape: as which depth maps, drawn of how many points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    projection: ProjectionRecipe = RECIPES["opendlign"]
    points: int = POINTS

    @classmethod
    def of(cls, folder: Path) -> Self:
        """What a folder says; one that says nothing is seen as the paper does."""
        path = folder / SHAPES_FILE
        return cls.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else cls()

    def write(self, folder: Path) -> None:
        """Beside the weights of a model, for `of`."""
        (folder / SHAPES_FILE).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Model:
    """A CLIP with a depth branch, and how it sees a shape."""

    encoders: "EvaluatedModel"
    seeing: Seeing


def load(where: str | Path, device: str = "auto") -> Model:
    """A model that embeds, classifies and searches.

    >>> import opendlign_core as od
    >>> od.load("package:mini").seeing.projection.image_size
    64

    Args:
        where: a local store that holds one trained model, the folder of a trained model in a store
            (`store/train/1a2b...`), a folder written by `opendlign weights export`, any folder that open_clip reads as
            `local-dir:`, or `package:mini`, the small CLIP that ships with the product. A CLIP without a trained
            branch sees depth maps as it sees pictures.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        BadInput: there is no model, or there are several.
    """
    named = str(where)
    if named.startswith(PACKAGE):
        name = named.removeprefix(PACKAGE)
        return Model(_frozen(ClipSpec.packaged(name), device), Seeing.of(packaged_folder(name)))
    if "://" in named:
        raise BadInput(
            f"{named} is no folder on this disk: write its model into one first, with opendlign weights export FOLDER "
            f"--format open-clip --store {named}"
        )
    folder = Path(where).expanduser()
    if (folder / CONFIG_FILE).is_file():
        return _exported(folder, device)
    stored = find_stored(folder)
    return Model(_trained(stored, device), Seeing(projection=stored.projection, points=stored.points))


def _exported(folder: Path, device: str) -> Model:
    from opendlign_core.training import BRANCH_FILE

    spec, branch = ClipSpec.from_folder(folder), folder / BRANCH_FILE
    if not branch.is_file():
        return Model(_frozen(spec, device), Seeing.of(folder))
    return Model(_aligned(branch, spec, device, folder.name), Seeing.of(folder))


def _frozen(spec: ClipSpec, device: str) -> "EvaluatedModel":
    from opendlign_core.clip import choose_device, load_clip
    from opendlign_core.evaluation import EvaluatedModel
    from opendlign_core.training import DepthAlignedCLIP

    clip = DepthAlignedCLIP(load_clip(spec)).to(choose_device(device)).eval()
    return EvaluatedModel.aligned(clip, spec, spec.weights_sha256 or spec.model)


def _trained(stored: StoredModel, device: str) -> "EvaluatedModel":
    from opendlign_core.training import read_branch

    spec = read_branch(stored.branch).recipe.clip
    if stored.clip is not None:
        spec = spec.model_copy(update={"weights": str(stored.clip), "weights_sha256": None})
    return _aligned(stored.branch, spec, device, stored.fingerprint)


def _aligned(branch: Path, spec: ClipSpec, device: str, fingerprint: str) -> "EvaluatedModel":
    from opendlign_core.clip import choose_device
    from opendlign_core.evaluation import EvaluatedModel
    from opendlign_core.training import load_aligned

    aligned = load_aligned(branch, choose_device(device), spec.local_weights)
    return EvaluatedModel.aligned(aligned, spec, fingerprint)
