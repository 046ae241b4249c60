"""A trained model in a local store, found as any program may find it: docs/storage.md describes these files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opendlign_core.clip.spec import sha256_of
from opendlign_core.errors import BadInput
from opendlign_core.projection.recipe import ProjectionRecipe

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class StoredModel:
    """The files of a trained model, and how the shapes came that it was trained on."""

    fingerprint: str
    branch: Path
    clip: Path | None
    """The weights of its CLIP, where these have no published name."""
    projection: ProjectionRecipe
    points: int


def find_stored(folder: Path) -> StoredModel:
    """The model of a train output or, where `folder` is a store, of the only one that it holds.

    Raises:
        BadInput: there is none, there are several, or a file is not what its manifest says.
    """
    if (folder / MANIFEST).is_file():
        return _read(folder)
    found = sorted(path.parent for path in folder.glob(f"train/*/{MANIFEST}"))
    if len(found) != 1:
        named = f"; name one of {', '.join(str(path) for path in found[:5])}" if found else ""
        raise BadInput(f"{folder} holds {len(found)} trained models{named or ', nor a CLIP that open_clip reads'}")
    return _read(found[0])


def _read(folder: Path) -> StoredModel:
    manifest = _manifest(folder)
    files = {stored["name"]: stored for stored in manifest["files"]}
    if manifest["stage"] != "train" or "adapter" not in files:
        raise BadInput(f"{folder} is the output of {manifest['stage']}, not a trained model")
    depths = _made_from(folder, manifest, "synthesize", "project")
    clouds = _made_from(folder, manifest, "synthesize", "project", "ingest")
    return StoredModel(
        manifest["fingerprint"],
        _whole(folder, files["adapter"]),
        _whole(folder, files["clip"]) if "clip" in files else None,
        ProjectionRecipe.model_validate(depths["recipe"]),
        clouds["recipe"]["points"],
    )


def _manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return found


def _made_from(folder: Path, manifest: dict[str, Any], *stages: str) -> dict[str, Any]:
    """The manifest of what a model was made from, step by step."""
    store = folder.resolve().parent.parent
    for stage in stages:
        made = store / stage / manifest["upstream"].get(stage, "nowhere")
        if not (made / MANIFEST).is_file():
            raise BadInput(
                f"{folder} was trained elsewhere: its store does not say what depth maps it reads. Export it with its "
                "preset: opendlign weights export FOLDER --format open-clip --preset ..."
            )
        manifest = _manifest(made)
    return manifest


def _whole(folder: Path, stored: dict[str, Any]) -> Path:
    path: Path = folder / stored["file"]
    if not path.is_file() or sha256_of(path) != stored["sha256"]:
        raise BadInput(f"{path} is not what its manifest says; see opendlign verify")
    return path
