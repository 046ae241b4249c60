"""Console commands for data in the reference's own folder layout: depth maps and images in and out."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from opendlign.ask import Changes, Source, StoreUrl, wanted_changes
from opendlign.engine import engine
from opendlign.show import console, plain, stage_bars
from opendlign_core.errors import BadInput
from storage.settings import get_settings
from storage.stores import open_store

if TYPE_CHECKING:
    from storage.records import Manifest
    from storage.store import Store


def import_data(
    folder: Path,
    /,
    *,
    store: StoreUrl = None,
    name: Annotated[str, Parameter(help="Name of the data set (default: the folder's)")] = "",
    split: str = "train",
    train: Annotated[str, Parameter(help="Train the depth branch of this preset on it, too")] = "",
) -> int:
    """Bring depth maps and images in the layout that OpenDlign publishes into the store.

    Parameters
    ----------
    folder
        Holds depth_map/*_dm.npy and, for training sets, depth_align_img/<id>/<view>.png.
    split
        Split of all its objects: train is trained on, test is evaluated.
    """
    from tasks import depth_folder

    store_url = store or get_settings().store
    with stage_bars() as listener:
        manifest = depth_folder.import_data(open_store(store_url), folder.expanduser(), name, split, listener=listener)
    console.print(
        f"{manifest.folder} holds {manifest.samples} objects in {store_url}, {manifest.rejected} left out",
        soft_wrap=True,
    )
    if train:
        if manifest.stage != "synthesize":
            raise BadInput(f"{folder} has depth maps but no images: nothing to train on")
        _train(store_url, manifest.fingerprint, train)
    return 0


def _train(store_url: str, aligned: str, preset: str) -> None:
    from flows.preset import load_preset
    from flows.stages import flow_of
    from tasks.train import TRAIN

    chosen = load_preset(preset)
    with engine(), stage_bars() as listener:
        train = flow_of(TRAIN, listener)
        model = train(store_url, aligned, chosen.recipes["train"], chosen.executions["train"], preset=chosen.name)
    console.print(f"train/{model} is complete in {store_url}", soft_wrap=True)


def export_data(
    folder: Path,
    /,
    *,
    preset: str = "mini",
    store: StoreUrl = None,
    set_: Changes = None,
    source: Source = None,
    output: Annotated[str, Parameter(help="Another output, as synthesize/FINGERPRINT or project/FINGERPRINT")] = "",
) -> int:
    """Write a preset's depth maps and painted images as files in the layout that OpenDlign publishes.

    Parameters
    ----------
    folder
        Where depth_map and depth_align_img are made; what lies there already is kept.
    """
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file; name a folder")
    opened = open_store(store or get_settings().store)
    manifest = _named(opened, output) if output else _painted(opened, preset, wanted_changes(set_, source))
    from tasks import depth_folder

    with stage_bars() as listener:
        objects = depth_folder.export_data(opened, manifest, folder.expanduser(), listener)
    console.print(f"{objects} objects of {manifest.folder} are in {folder}", soft_wrap=True)
    return 0


def card(
    output: str,
    /,
    *,
    store: StoreUrl = None,
    out: Annotated[Path | None, Parameter(help="Write it here, such as README.md, instead of printing it")] = None,
) -> int:
    """Tell what an output holds as a card in Markdown: sources, licences, splits, settings, what was left out.

    Parameters
    ----------
    output
        STAGE/FINGERPRINT, a beginning is enough; of a trained model it is a model card.
    """
    from opendlign.urls import named_output
    from tasks.cards import dataset_card, model_card

    opened = open_store(store or get_settings().store)
    manifest = named_output(opened, output)
    text = model_card(opened, manifest) if manifest.stage == "train" else dataset_card(opened, manifest)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
        console.print(plain(f"Wrote {out}"), soft_wrap=True)
    return 0


def _named(store: "Store", output: str) -> "Manifest":
    from storage.output import load_manifest

    stage, _, fingerprint = output.partition("/")
    if stage not in ("project", "synthesize") or not fingerprint:
        raise BadInput(f"--output {output!r}: write it as synthesize/FINGERPRINT or project/FINGERPRINT")
    return load_manifest(store, stage, fingerprint)


def _painted(store: "Store", preset: str, changes: list[str]) -> "Manifest":
    from flows.preset import load_preset
    from opendlign.models import own_output

    return own_output(store, load_preset(preset, changes), "synthesize")
