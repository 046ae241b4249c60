"""`opendlign weights import` and `export`: published checkpoints into a store, trained models out of it."""

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Annotated, Literal, cast

from cyclopts import Parameter

from opendlign.ask import StoreUrl
from opendlign.models import Which, find, find_trained
from opendlign.named_files import require_folder, require_out
from opendlign.show import console, plain
from opendlign_core.errors import BadInput
from storage.settings import get_settings
from storage.stores import open_store

if TYPE_CHECKING:
    from opendlign_core.training import TrainRecipe

Format = Literal["pth", "safetensors", "open-clip"]
Tower = Literal["frozen", "depth"]
LAST_RUN = Which()


def import_weights(
    file: Path,
    /,
    *,
    model: Annotated[str, Parameter(help="ViT-H-14-quickgelu, ViT-L-14-quickgelu, ViT-B-16, ViT-B-32, or a preset")],
    store: StoreUrl = None,
) -> int:
    """Bring a published OpenDlign .pth file into the store as a trained model; nothing in the file is executed.

    Parameters
    ----------
    file
        A checkpoint as the authors publish it.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}")
    store_url = store or get_settings().store
    recipe = train_recipe(model)
    from tasks import weights

    try:
        manifest = weights.import_weights(open_store(store_url), file, recipe)
    except UnpicklingError as error:
        raise BadInput(f"{file} is no checkpoint that can be read safely; give the published .pth file") from error
    console.print(
        f"{manifest.folder} is in {store_url}; name it as --model {manifest.fingerprint[:8]}", soft_wrap=True
    )
    return 0


def export_weights(
    target: Path,
    /,
    *,
    which: Which = LAST_RUN,
    as_format: Annotated[Format, Parameter(name="--format", help="What to write")] = "pth",
    tower: Annotated[Tower, Parameter(help="The image tower of an open-clip folder")] = "frozen",
) -> int:
    """Write a trained model for other programs.

    pth is a checkpoint that the published code loads, safetensors the trained tensors alone, and open-clip a folder
    that open_clip loads as local-dir: and opendlign_core.load reads with its depth branch. open_clip has one image
    tower: the frozen one, exactly, or with --tower depth one whose last blocks lie between frozen and trained, which
    is near to the depth branch and not the same.

    Parameters
    ----------
    target
        The file (.pth or .safetensors) or folder to write, in a folder that is there.
    """
    from tasks import weights

    if tower == "depth" and as_format != "open-clip":
        raise BadInput("--tower depth is a choice of --format open-clip")
    if as_format == "open-clip":
        require_folder("TARGET", target)
        _export_folder(target, which, tower)
    else:
        require_out(target, [f".{as_format}"], "TARGET")
        manifest = find_trained(which.open(), which.model) if which.model else find(which).manifest
        write = weights.export_weights if as_format == "pth" else weights.export_branch
        write(which.open(), manifest, target)
    console.print(plain(f"Wrote {target}"), soft_wrap=True)
    return 0


def _export_folder(folder: Path, which: Which, tower: Tower) -> None:
    from opendlign_core.api.model import Seeing
    from tasks import weights

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is there already; name a new folder")
    trained = find(which)
    seeing = Seeing(projection=trained.projection, points=trained.source.points)
    weights.export_folder(trained.store, trained.manifest, folder, seeing, tower)


def train_recipe(model: str) -> "TrainRecipe":
    """The recipe of a published variant, or of a preset by name or file."""
    from flows.preset import load_preset, preset_names
    from opendlign_core.clip import OFFICIAL_MODELS
    from opendlign_core.training import TrainRecipe

    if model in OFFICIAL_MODELS:
        return TrainRecipe.official(model)
    if model in preset_names() or model.endswith((".yaml", ".yml")):
        return cast("TrainRecipe", load_preset(model).recipes["train"])
    raise BadInput(f"unknown model {model!r}; name one of {', '.join(OFFICIAL_MODELS)}, or a preset")
