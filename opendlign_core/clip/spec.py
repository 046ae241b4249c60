"""Which CLIP: its architecture, its weights and the pixels it expects. Torch-free."""

import hashlib
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field

from opendlign_core.errors import BadInput
from opendlign_core.recipe import CONTENT, DigestOf, FrozenMapping, Recipe

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
PACKAGE = "package:"
LOCAL = "local"
"""The name, in fingerprints, of a model that has none but that of its folder."""
_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")

Dtype = Literal["float32", "bfloat16", "float16"]
Precision = Literal["float32", "tf32", "bfloat16", "float16"]


class ClipSpec(Recipe):
    """A CLIP with a ViT image tower in open_clip's format: architecture, weights and the pixels it expects.

    `weights` is an open_clip tag, `"random"` (drawn from `seed`), a local .safetensors file or a folder in open_clip's
    local-dir layout, or `"package:<name>"`, a checkpoint shipped with this package. `weights_sha256`, where given,
    is verified at loading, so that a recipe that names a file pins its content too.
    """

    model: str = "ViT-H-14-quickgelu"
    """open_clip's name of the architecture, or any name where the architecture is spelled out."""
    weights: str = "dfn5b"
    """A tag of open_clip, `random`, a file, a folder, or `package:NAME`."""
    revision: str | None = Field(
        default=None, description="commit of a tag's weights on the hub; none takes the newest"
    )
    weights_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$", description="checked when loading")
    architecture: FrozenMapping[Any] | None = None
    """open_clip's model_cfg, for models that open_clip does not know."""
    image_size: int = Field(default=224, ge=8, description="side of the images that the tower takes")
    mean: tuple[float, float, float] = IMAGENET_MEAN
    """Of the pixels. The reference normalises with ImageNet's constants, not with CLIP's own."""
    std: tuple[float, float, float] = Field(default=IMAGENET_STD, description="deviation of the pixels, likewise")
    seed: int = Field(default=0, description="of random weights")

    @property
    def local_weights(self) -> Path | None:
        """The file of the weights where `weights` names a place; None for what is published, drawn or packaged."""
        if self.weights == "random" or self.weights.startswith((PACKAGE, CONTENT)):
            return None
        path = Path(self.weights).expanduser()
        if path.is_dir():
            return path / WEIGHTS_FILE
        return path if path.is_file() or "/" in self.weights or path.suffix in _SUFFIXES else None

    @property
    def grid(self) -> tuple[int, int]:
        """How many tokens the tower makes of an image, and how wide each is; none where its kind is not known.

        >>> ClipSpec(model="ViT-H-14-quickgelu").grid
        (257, 1280)
        """
        vision = self._vision()
        if not {"patch_size", "width"} <= set(vision):
            return 0, 0
        return (self.image_size // int(vision["patch_size"])) ** 2 + 1, int(vision["width"])

    def _vision(self) -> Mapping[str, Any]:
        """The configuration of the vision tower, out of the files of open_clip, whose import takes seconds."""
        if self.architecture is not None:
            return dict(self.architecture["vision_cfg"])
        package = find_spec("open_clip")
        home = Path(next(iter(package.submodule_search_locations or ()))) if package else Path()
        path = home / "model_configs" / f"{self.model}.json"
        return dict(json.loads(path.read_text())["vision_cfg"]) if path.is_file() else {}

    def settled(self, digest_of: DigestOf) -> Self:
        """The spec with local weights named by their digest, and without the name of their folder.

        Raises:
            BadInput: the weights are not there and `weights_sha256` does not tell what they are.
        """
        path = self.local_weights
        if path is None:
            return self
        if self.weights_sha256 is None and not path.is_file():
            raise BadInput(f"there are no weights at {path}; name another place, or state their weights_sha256")
        digest = self.weights_sha256 or digest_of(path)
        model = LOCAL if self.model in (path.name, path.parent.name) else self.model
        known = {"weights": f"{CONTENT}{digest}", "weights_sha256": digest, "revision": None}
        return self.model_copy(update={"model": model, **known})

    @classmethod
    def from_folder(cls, folder: Path, name: str | None = None) -> Self:
        """Describe a folder in open_clip's local-dir layout, its architecture inlined and its weights pinned."""
        config = json.loads((folder / CONFIG_FILE).read_text())
        pixels = config.get("preprocess_cfg", {})
        return cls(
            model=name or folder.name,
            weights=str(folder),
            weights_sha256=sha256_of(folder / WEIGHTS_FILE),
            architecture=config["model_cfg"],
            image_size=config["model_cfg"]["vision_cfg"]["image_size"],
            mean=tuple(pixels.get("mean", IMAGENET_MEAN)),
            std=tuple(pixels.get("std", IMAGENET_STD)),
        )

    @classmethod
    def packaged(cls, name: str) -> Self:
        """Describe the checkpoint `name` that ships with this package, by a name that is the same everywhere."""
        spec = cls.from_folder(packaged_folder(name), name)
        return spec.model_copy(update={"weights": f"{PACKAGE}{name}"})


class OfficialModel(NamedTuple):
    """Weights of one of the four published variants, its batch size, and the commit on the hub with the weights."""

    tag: str
    batch_size: int
    revision: str


OFFICIAL_MODELS = {
    "ViT-B-32": OfficialModel("datacomp_xl_s13b_b90k", 128, "f0e2ffa09cbadab3db6a261ec1ec56407ce42912"),
    "ViT-B-16": OfficialModel("dfn2b", 128, "535fb305ffd3ab0690a1735871a74f5274b17e70"),
    "ViT-L-14-quickgelu": OfficialModel("dfn2b", 100, "c50bc0f14d7ad435ae8adbde8b3277844b7b8b68"),
    "ViT-H-14-quickgelu": OfficialModel("dfn5b", 60, "11738501a1db6d5e0a3451a71ba100be02e577e6"),
}


def sha256_of(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def packaged_folder(name: str) -> Path:
    """Return the folder of a checkpoint that ships with this package."""
    folder = Path(__file__).parent / "models" / name
    if not (folder / CONFIG_FILE).is_file():
        raise BadInput(f"this package ships no checkpoint named {name!r} ({folder} has no {CONFIG_FILE})")
    return folder
