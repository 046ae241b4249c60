"""What the pose benchmark can be told. Torch-free."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field

from opendlign_core.clip.spec import sha256_of
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.given import from_file
from opendlign_core.evaluation.labels import read_labels
from opendlign_core.evaluation.pose.comparing.recipe import ComparisonRecipe
from opendlign_core.evaluation.pose.probing.choices import ProbeSpec
from opendlign_core.recipe import CONTENT, DigestOf, FrozenMapping, Recipe


def _read_groups(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInput(f"{path}: not JSON of groups and their categories ({error})") from error


class EncoderFolder(Recipe):
    """A vision model of `transformers` that is probed beside the evaluated one."""

    folder: str
    """Where it lies, with its `config.json`, weights and `preprocessor_config.json`."""
    masked: bool = False
    """Whether MAE hides three quarters of the patches, as the reference left it."""

    def settled(self, digest_of: DigestOf) -> Self:
        """Named by the digest of its weights."""
        return self.model_copy(update={"folder": f"{CONTENT}{digest_of(self.weights)}"})

    @property
    def place(self) -> Path:
        return Path(self.folder).expanduser()

    @property
    def weights(self) -> Path:
        """Its file of weights; raises `BadInput` where there is none."""
        for name in ("model.safetensors", "pytorch_model.bin"):
            if (path := self.place / name).is_file():
                return path
        raise BadInput(f"{self.folder}: holds no model.safetensors or pytorch_model.bin of a transformers model")


class PoseOptions(Recipe):
    """What is probed, and how the photos are grouped."""

    probe: ProbeSpec = ProbeSpec()
    encoders: tuple[EncoderFolder, ...] = ()
    """Vision models of `transformers` in local folders, probed beside the evaluated model."""
    known: Annotated[tuple[str, ...], from_file(read_labels)] = ()
    """Categories that are learnt from, or `{file: PATH}` of them; all others are novel and only judged. None: all are
    learnt from."""
    groups: Annotated[FrozenMapping[Sequence[str]], from_file(_read_groups)] = FrozenMapping({})
    """Name of a group -> its categories, or `{file: PATH}` of such JSON; ImageNet3D's seven meta-classes are not
    published with its code."""
    left_out: tuple[str, ...] = ()
    """Categories that look the same from all sides, whose pose nobody can tell."""
    compare: ComparisonRecipe | None = None
    """How poses are found without training, by comparing photos with views of their CADs; None leaves it out."""
    compared: int = Field(default=60, ge=1, description="photos of a data set that are compared, spread over all")


def weights_digest(spec: EncoderFolder) -> str:
    """sha256 of an encoder's weights."""
    return sha256_of(spec.weights)
