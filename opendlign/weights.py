"""`opendlign weights import` and `export`: published checkpoints into a store, trained models out of it."""

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import Parameter

from opendlign.ask import StoreUrl
from opendlign.show import console
from opendlign_core.errors import BadInput
from storage.settings import get_settings
from storage.stores import open_store

if TYPE_CHECKING:
    from opendlign_core.training import TrainRecipe


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
    file: Path,
    /,
    *,
    model: Annotated[str, Parameter(help="Fingerprint of a train output, or its beginning")],
    store: StoreUrl = None,
) -> int:
    """Write a trained model as a .pth file that the published code loads.

    Parameters
    ----------
    file
        The file to write.
    """
    store_url = store or get_settings().store
    from opendlign.models import find_trained
    from tasks import weights

    opened = open_store(store_url)
    weights.export_weights(opened, find_trained(opened, model), file)
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
        return cast("TrainRecipe", load_preset(model).recipes["train"])
    raise BadInput(f"unknown model {model!r}; name one of {', '.join(OFFICIAL_MODELS)}, or a preset")
