"""Building an unmodified open_clip model from a `ClipSpec`, without touching open_clip's registry.

open_clip takes seconds to import, so that happens only where a model, a tag or a name is really its own.
"""

from pathlib import Path
from typing import Any

import torch

from opendlign_core.clip.plain import is_plain, load_plain
from opendlign_core.clip.spec import PACKAGE, WEIGHTS_FILE, ClipSpec, packaged_folder, sha256_of
from opendlign_core.errors import BadInput
from opendlign_core.recipe import CONTENT

# open_clip is untyped: its models and their parts are `Any` at this border and ours from there on.
OpenClip = Any


def load_clip(spec: ClipSpec, device: torch.device | str = "cpu") -> OpenClip:
    """Return the open_clip model of `spec`, frozen and in eval mode, with float32 parameters.

    Raises:
        BadInput: the weights are neither a known tag nor a file, their digest is not the one the spec names, or the
            architecture is unknown.
    """
    architecture = architecture_of(spec)
    path = None if spec.weights == "random" else _find_weights(spec)
    if path is not None:
        _verify(path, spec)
    model: OpenClip
    if path is not None and path.suffix == ".safetensors" and is_plain(architecture):
        model = load_plain(architecture, path)
    else:
        model = _from_open_clip(architecture, spec.seed, path)
    return model.requires_grad_(False).eval().to(device)


def tagged_spec(model: str, tag: str) -> ClipSpec:
    """Describe open_clip's `model` with the weights `tag` (or `random`), with the pixels it was trained on."""
    import open_clip

    config = open_clip.get_model_config(model)
    if config is None:
        raise BadInput(f"open_clip has no model named {model!r}")
    known = open_clip.list_pretrained_tags_by_model(model)
    if tag != "random" and tag not in known:
        raise BadInput(f"open_clip has no weights {tag!r} of {model}; its tags are {', '.join(known) or 'none'}")
    published = open_clip.get_pretrained_cfg(model, tag) if tag != "random" else {}
    return ClipSpec(
        model=model,
        weights=tag,
        image_size=config["vision_cfg"]["image_size"],
        mean=tuple(published.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        std=tuple(published.get("std") or open_clip.OPENAI_DATASET_STD),
    )


def architecture_of(spec: ClipSpec) -> dict[str, Any]:
    """Return the open_clip model configuration of `spec`: its own where given, the named one's otherwise."""
    config = spec.architecture.plain() if spec.architecture else _named(spec.model)
    if config is None:
        raise BadInput(f"open_clip has no model named {spec.model!r}; give ClipSpec.architecture for an own one")
    config["vision_cfg"]["image_size"] = spec.image_size
    return dict(config)


def _named(model: str) -> dict[str, Any] | None:
    import open_clip

    found: dict[str, Any] | None = open_clip.get_model_config(model)
    return found


def _from_open_clip(config: dict[str, Any], seed: int, weights: Path | None) -> OpenClip:
    """Instantiate the model, drawing its initial weights from `seed` and leaving the global generator as it was."""
    import open_clip

    own_text = config.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP if own_text else open_clip.CLIP
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(**config)
    if weights is not None:
        open_clip.factory.load_checkpoint(model, str(weights), strict=True, weights_only=True)
    return model


def _find_weights(spec: ClipSpec) -> Path:
    if spec.weights.startswith(PACKAGE):
        return packaged_folder(spec.weights.removeprefix(PACKAGE)) / WEIGHTS_FILE
    if spec.weights.startswith(CONTENT):
        raise BadInput(f"the weights of {spec.model} are known by their digest alone; name the file that holds them")
    path = spec.local_weights
    if path is not None and path.is_file():
        return path
    import open_clip

    tag = open_clip.get_pretrained_cfg(spec.model, spec.weights)
    if not tag:
        known = ", ".join(open_clip.list_pretrained_tags_by_model(spec.model)) or "none"
        raise BadInput(f"{spec.weights!r} is neither a file nor a tag of {spec.model} (tags: {known})")
    return Path(_download(tag, spec))


def _download(tag: dict[str, Any], spec: ClipSpec) -> str:
    """Fetch a tag's weights through the Hugging Face cache, at a fixed revision where the spec names one."""
    from open_clip.pretrained import download_pretrained, download_pretrained_from_hf

    try:
        if spec.revision is None or not tag.get("hf_hub"):
            return str(download_pretrained(tag))
        repository, _, name = tag["hf_hub"].rpartition("/")
        return str(download_pretrained_from_hf(repository, filename=name or None, revision=spec.revision))
    except Exception as error:
        at = f" at the revision {spec.revision}" if spec.revision else ""
        raise BadInput(
            f"cannot get the weights {spec.weights!r} of {spec.model}{at}: {error}. "
            "Fetch them once on a machine with network, or set ClipSpec.weights to a local .safetensors file"
        ) from error


def _verify(path: Path, spec: ClipSpec) -> None:
    if spec.weights_sha256 is not None and (found := sha256_of(path)) != spec.weights_sha256:
        raise BadInput(f"{path} has digest {found}, the recipe names {spec.weights_sha256}: not the same weights")
