"""Console commands for other projects: published weights in and out, embeddings of the painted images out."""

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from opendlign.ask import Changes, Place, ask, require_sources
from opendlign.environment import keep_results_in
from opendlign.show import console, stage_bars
from storage.settings import get_settings
from storage.stores import open_store

if TYPE_CHECKING:
    from opendlign_core.clip import ClipSpec
    from opendlign_core.training import TrainRecipe


def import_official_weights(
    file: Path,
    /,
    *,
    model: Annotated[str, Parameter(help="ViT-H-14-quickgelu, ViT-L-14-quickgelu, ViT-B-16, ViT-B-32, or a preset")],
    store: Place = None,
) -> int:
    """Bring a published OpenDlign .pth file into the store as a trained model; nothing in the file is executed.

    Parameters
    ----------
    file
        A checkpoint as the authors publish it.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}")
    place = store or get_settings().store
    keep_results_in(place)
    recipe = train_recipe(model)
    from tasks.official import import_weights

    try:
        manifest = import_weights(open_store(place), file, recipe)
    except UnpicklingError as error:
        raise ValueError(f"{file} is no checkpoint that can be read safely; give the published .pth file") from error
    console.print(f"{manifest.folder} is in {place}; name it as --model {manifest.fingerprint[:8]}", soft_wrap=True)
    return 0


def export_official_weights(
    file: Path,
    /,
    *,
    model: Annotated[str, Parameter(help="Fingerprint of a train output, or its beginning")],
    store: Place = None,
) -> int:
    """Write a trained model as a .pth file that the published code loads.

    Parameters
    ----------
    file
        The file to write.
    """
    place = store or get_settings().store
    keep_results_in(place)
    from opendlign.models import find_trained
    from tasks.official import export_weights

    opened = open_store(place)
    export_weights(opened, find_trained(opened, model), file)
    console.print(f"Wrote {file}", soft_wrap=True)
    return 0


def train_recipe(model: str) -> "TrainRecipe":
    """The recipe of a published variant, or of a preset by name or file."""
    from flows.preset import load_preset, preset_names
    from opendlign_core.clip import OFFICIAL_MODELS
    from opendlign_core.training import TrainRecipe

    if model in OFFICIAL_MODELS:
        return TrainRecipe.official(model)
    if model in preset_names() or model.endswith((".yaml", ".yml")):
        return load_preset(model).train
    raise ValueError(f"unknown model {model!r}; name one of {', '.join(OFFICIAL_MODELS)}, or a preset")


def dlign(
    *,
    out: Annotated[Path | None, Parameter(help="Also write the embeddings as Parquet files into this folder")] = None,
    clip: Annotated[
        str, Parameter(help="model:tag of open_clip, package:NAME or a local folder; by default the preset's CLIP")
    ] = "",
    preset: str = "mini",
    store: Place = None,
    set_: Changes = None,
) -> int:
    """Embed the painted images of a preset's objects with any CLIP, for point encoders to train on.

    The stages before are brought up to date first; the embeddings become a stage output of the store.
    """
    asked = ask(preset, store, set_, None)
    require_sources(asked)
    place, chosen = asked.place, asked.preset
    wanted = named_clip(clip) if clip else chosen.train.clip
    from flows.dlign import dlign as embed
    from flows.regenerate import regenerate
    from opendlign_core.training import DlignRecipe
    from storage.output import load_manifest
    from tasks.dlign import STAGE, write_parquet

    recipe = DlignRecipe(clip=wanted, precision=chosen.train.precision)
    with stage_bars():
        found = regenerate(preset, place, set_, until="synthesize")
        fingerprint = embed(place, found["synthesize"], recipe, chosen.execution.train, preset=chosen.name)
    console.print(f"{STAGE}/{fingerprint} is complete in {place}", soft_wrap=True)
    if out is not None:
        opened = open_store(place)
        files = write_parquet(opened, load_manifest(opened, STAGE, fingerprint), out)
        console.print(f"{len(files)} Parquet files in {out}", soft_wrap=True)
    return 0


def named_clip(name: str) -> "ClipSpec":
    """A CLIP as people name it on a command line."""
    from opendlign_core.clip import ClipSpec

    if name.startswith("package:"):
        return ClipSpec.packaged(name.removeprefix("package:"))
    if Path(name).is_dir():
        return ClipSpec.from_folder(Path(name))
    model, found, tag = name.partition(":")
    if not found or not tag:
        raise ValueError(f"--clip {name!r}: write model:tag, such as ViT-B-32:laion2b_s34b_b79k, or name a folder")
    from opendlign_core.clip import tagged_spec

    return tagged_spec(model, tag)
