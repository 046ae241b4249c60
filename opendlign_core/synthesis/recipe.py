"""What decides the bytes of the synthesize stage, and what only decides how fast they come. Free of torch."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from opendlign_core.clip.spec import ClipSpec
from opendlign_core.recipe import CONTENT, DigestOf, Execution, Recipe
from opendlign_core.samples.recipe import ImageRecipe

STAGE_VERSION = 1
"""Raised whenever the same recipe would give other bytes."""

TABLE_6_TEMPLATE = "A realistic {metadata}."
TABLE_6_POSITIVE = (
    "best quality",
    "extremely realistic",
    "very professional",
    "extremely detailed",
    "sharp edge",
    "normal",
    "complete",
)
TABLE_6_NEGATIVE = (
    "low-resolution",
    "very blurry",
    "unrealistic",
    "worst quality",
    "deep depth of field",
    "large depth of field",
    "distorted",
    "cropped",
    "unusual",
    "warped",
    "incomplete",
)


class PromptRecipe(Recipe):
    """How a caption becomes a prompt; the defaults are those of the OpenDlign paper (Table 6)."""

    template: str = TABLE_6_TEMPLATE
    """`{metadata}` is the place of the caption or, where there is none, of the label."""
    positive: tuple[str, ...] = Field(TABLE_6_POSITIVE, description="words added to every prompt")
    negative: tuple[str, ...] = Field(TABLE_6_NEGATIVE, description="words of the negative prompt")

    @field_validator("template")
    @classmethod
    def _names_metadata(cls, template: str) -> str:
        if "{metadata}" not in template:
            raise ValueError(f"the prompt template {template!r} must contain {{metadata}}, the caption's place")
        return template

    def prompt(self, caption: str) -> str:
        """The prompt of one object: the template filled with its caption, then the positive keywords."""
        sentence = self.template.replace("{metadata}", caption.strip())
        return ", ".join((sentence.rstrip("."), *self.positive)) + "." if self.positive else sentence

    @property
    def negative_prompt(self) -> str:
        """The one negative prompt of a run."""
        return ", ".join(self.negative)


_READ = (".json", ".txt", ".safetensors")
"""What is read of a folder: settings, words and weights."""


class ModelRef(Recipe):
    """A hub model at a pinned revision, or a local folder (then without a revision)."""

    id: str = Field(description="name on the hub, or a local folder")
    revision: str | None = Field(None, description="commit on the hub; none for a folder")

    def settled(self, digest_of: DigestOf) -> Self:
        """The reference with a local folder or file named by what it holds."""
        path = Path(self.id).expanduser()
        if path.is_file():
            return self.model_copy(update={"id": f"{CONTENT}{digest_of(path)}", "revision": None})
        if not path.is_dir():
            return self
        files = sorted(file for file in path.rglob("*") if file.suffix in _READ and file.is_file())
        held = [[file.relative_to(path).as_posix(), digest_of(file)] for file in files]
        whole = hashlib.sha256(json.dumps(held).encode()).hexdigest()
        return self.model_copy(update={"id": f"{CONTENT}{whole}", "revision": None})


class ShadedRecipe(Recipe):
    """The embedded painter: light, material and background drawn from the depth map, without a network."""

    name: Literal["shaded"] = "shaded"
    relief: float = Field(1.2, gt=0)
    """Image widths per unit of depth; sets how steep surfaces look. 1.2 undoes the OpenDlign projection."""
    minimum_contrast: float = Field(0.18, ge=0, le=0.5)
    """Least difference in brightness between object and background, so that the contour stays visible."""


class ControlNetRecipe(Recipe):
    """Stable Diffusion steered by a depth ControlNet; the defaults are those of the OpenDlign paper."""

    name: Literal["controlnet"] = "controlnet"
    base: ModelRef = ModelRef(
        id="stable-diffusion-v1-5/stable-diffusion-v1-5", revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14"
    )
    controlnet: ModelRef = ModelRef(
        id="lllyasviel/control_v11f1p_sd15_depth", revision="539f99181d33db39cf1af2e517cd8056785f0a87"
    )
    lora: ModelRef | None = None
    """Weights merged into the UNet, such as LCM-LoRA for `scheduler="lcm"`."""
    tiny_vae: ModelRef | None = None
    """A distilled decoder in place of the base model's, such as `madebyollin/taesd`."""
    scheduler: Literal["ddim", "unipc", "lcm"] = "ddim"
    """How noise is removed; `lcm` needs a `lora` that was distilled for it."""
    steps: int = Field(20, ge=1, le=1000, description="passes through the network per image")
    guidance: float = Field(9.0, ge=1.0, description="how strictly the prompt is followed; 1 halves the cost")
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    """The share of the steps that pay for guidance, from start to end; outside it only the prompt counts."""
    control_strength: float = Field(1.0, ge=0, description="how strictly the depth map is followed")
    generation_size: int = Field(256, ge=32, multiple_of=8)
    """Side of the generated square image; the result is scaled to the depth map's own size."""
    median: int = Field(7, ge=1, le=15)
    """Side of the median filter on the depth map that conditions; 1 leaves the map as it is."""
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    """Arithmetic of the networks. It changes the pixels, so it belongs to the recipe."""

    @field_validator("guidance_interval")
    @classmethod
    def _ordered(cls, interval: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 <= interval[0] <= interval[1] <= 1.0:
            raise ValueError(f"guidance_interval must satisfy 0 <= start <= end <= 1, not {interval}")
        return interval

    @field_validator("median")
    @classmethod
    def _odd(cls, median: int) -> int:
        if median % 2 == 0:
            raise ValueError(f"the median filter needs an odd side, not {median}")
        return median


class GateRecipe(Recipe):
    """When an image is good enough to train on. All thresholds are on values between 0 and 1."""

    minimum_brightness: float = Field(0.03, ge=0, le=1)
    """Least mean brightness; a black image (safety checker, overflow) lies below."""
    minimum_variation: float = Field(0.02, ge=0, le=1)
    """Least standard deviation of brightness; a flat image lies below."""
    minimum_edge_agreement: float = Field(0.6, ge=0, le=1)
    """Least chance that a pixel on the depth contour has a stronger image edge than one elsewhere; 0.5 is none."""
    caption_top_k: int | None = Field(None, ge=1)
    """Keep an object only if its caption ranks this high among its batch's captions; None asks for no ranking."""
    caption_batch: int = Field(128, ge=2)
    """How many consecutive objects compete in that ranking."""
    caption_clip: ClipSpec | None = None
    """The CLIP that ranks; `package:NAME` stands for one that ships with the product."""
    retries: int = Field(3, ge=0)
    """How often a rejected image is painted again, each time with the next seed."""

    @field_validator("caption_clip", mode="before")
    @classmethod
    def _packaged(cls, value: Any) -> Any:
        return ClipSpec.packaged(value.removeprefix("package:")) if isinstance(value, str) else value


class SynthesisRecipe(Recipe):
    """Everything that decides the aligned images of a set of depth maps."""

    synthesizer: Annotated[ShadedRecipe | ControlNetRecipe, Field(discriminator="name")] = ShadedRecipe()
    """The painter and its settings; a bare name ("shaded", "controlnet") stands for its defaults."""
    splits: tuple[str, ...] = ()
    """Paint only objects of these splits; empty paints all. Images are for training, so a test split needs none."""
    seed: int = Field(0, ge=0, description="seeds every image, together with its object and view")
    prompt: PromptRecipe = PromptRecipe()
    image: ImageRecipe = ImageRecipe()
    gate: GateRecipe = GateRecipe()
    shard_size: int = Field(360, ge=1)
    """Objects per shard, the unit of loss: 360 objects of ten views are two minutes at 30 images per second."""

    @field_validator("synthesizer", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _ranks_within_a_shard(self) -> "SynthesisRecipe":
        if self.gate.caption_top_k is not None and self.gate.caption_top_k >= self.gate.caption_batch:
            raise ValueError("gate.caption_top_k must be smaller than gate.caption_batch, or it rejects nothing")
        if self.gate.caption_top_k is not None and self.gate.caption_clip is None:
            raise ValueError("gate.caption_top_k needs gate.caption_clip, the CLIP that ranks the captions")
        return self


class SynthesisExecution(Execution):
    """How a synthesis runs. Device and batch size may change the last bits of a ControlNet's images, nothing else."""

    device: str = "auto"
    """`auto` takes the first CUDA device, else the CPU."""
    batch_size: int | None = Field(None, ge=1)
    """Images denoised at once; None picks it: one on the CPU, by free memory on CUDA. Halved on out-of-memory."""
    decode_slice: int = Field(16, ge=1)
    """Images decoded at once; decoding is the peak of memory."""
    compile: bool = False
    """Compile the UNet and the ControlNet on first use (minutes), for long CUDA runs."""
    offline: bool = True
    """Use only weights that are already on this machine; False lets the hub be asked for missing ones."""
    workers: int = Field(2, ge=1)
    """Processes that paint (`shaded`), and threads that check and encode images while the next ones are painted."""
    max_rejected_share: float = Field(0.2, ge=0, le=1)
    """The stage fails when more than this share of its objects is rejected."""
