"""Data in the layout the reference publishes, as outputs of the store and back."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from opendlign_core.projection import STAGE_VERSION as PROJECT_VERSION
from opendlign_core.recipe import Recipe
from opendlign_core.samples import DepthMaps, DepthMeta, ImageRecipe, Painted, PaintedMeta
from opendlign_core.synthesis import STAGE_VERSION as SYNTHESIZE_VERSION
from storage.fingerprint import StageIdentity, digest
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.stores import Store
from tasks.progress import Listener, StageProgress, tracking
from tasks.shards import ShardBuilder, building, finish

if TYPE_CHECKING:
    from opendlign_core.synthesis import OfficialObject


class ImportRecipe(Recipe):
    """Depth maps and images that were made elsewhere, taken as they are."""

    official: str
    """Name of the data set; part of every object's id."""
    files: str
    """Digest of the names and sizes of the files of depth maps."""
    split: str = "train"
    image: ImageRecipe = ImageRecipe(format="png")
    shard_size: int = 360


def import_data(
    store: Store,
    folder: Path,
    name: str = "",
    split: str = "train",
    max_rejected_share: float = 0.05,
    listener: Listener | None = None,
) -> Manifest:
    """Bring a data set in the official layout into the store; taken up again, it continues with the missing shards.

    With images it becomes an output of the synthesize stage, ready to be trained on; with depth maps alone one of the
    project stage, with labels as captions. Raises FileNotFoundError where the layout is not there.
    """
    from opendlign_core.synthesis.official import IMAGE_FOLDER, official_files, read_object

    files = official_files(folder)
    recipe = ImportRecipe(
        official=name or folder.resolve().name,
        files=digest([[path.name, path.stat().st_size] for path in files]),
        split=split,
    )
    painted = (folder / IMAGE_FOLDER).is_dir()
    stage, version = ("synthesize", SYNTHESIZE_VERSION) if painted else ("project", PROJECT_VERSION)
    output = StageOutput(store, StageIdentity.of(stage, version, recipe))
    plan = plan_shards(len(files), recipe.shard_size)
    missing = output.missing(plan)
    total = sum(shard.stop - shard.start for shard in missing)
    with tracking(StageProgress("import", total, listener=listener)) as progress:
        for shard in missing:
            with building(output, shard) as builder:
                for path in files[shard.start : shard.stop]:
                    try:
                        _add(builder, read_object(path), recipe, painted)
                    except ValueError as error:
                        builder.reject(path.name, str(error))
                    progress.advance()
    return finish(output, plan, max_rejected_share=max_rejected_share)


def _add(builder: ShardBuilder, found: "OfficialObject", recipe: ImportRecipe, painted: bool) -> None:
    from opendlign_core.samples import encode_depth, encode_image

    if painted and found.images is None:
        raise ValueError(f"{found.name} has no images, unlike other objects of this data set")
    meta = _meta(f"{recipe.official}/{found.name}", found, recipe)
    if not painted:
        builder.add(DepthMaps(meta, encode_depth(found.depth)))
        return
    images = tuple(encode_image(image, recipe.image) for image in found.images or ())
    builder.add(Painted(PaintedMeta.of(meta), encode_depth(found.depth), images, recipe.image.extension))


def _meta(name: str, found: "OfficialObject", recipe: ImportRecipe) -> DepthMeta:
    label = found.label or ""
    return DepthMeta.model_validate({
        "object_id": name, "source": recipe.official, "split": recipe.split, "label": label, "caption": label,
        "up_axis": "y", "unit": "", "licence": "", "points": 0, "padded": False,
        "views": len(found.depth), "size": found.depth.shape[-1],
    })  # fmt: skip


def export_data(store: Store, manifest: Manifest, folder: Path, listener: Listener | None = None) -> int:
    """Write a project or synthesize output as files in the official layout; returns the number of objects.

    As in the published sets, labels are part of the names where there are no images. Raises ValueError where two
    objects would get one name.
    """
    from opendlign_core.samples import decode_depth, decode_image
    from opendlign_core.synthesis import export_official

    used: set[str] = set()
    shown = StageProgress("export", manifest.samples, listener=listener)
    with SampleReader(store, manifest) as reader, tracking(shown) as progress:
        for sample in reader:
            meta = sample.json()
            name = _plain(str(meta["object_id"])).lstrip(".")
            if name in used:
                raise ValueError(f"two objects would be named {name!r} in the official layout")
            used.add(name)
            views = sorted(extension for extension in sample.fields if extension[:2].isdigit())
            images = [decode_image(sample.fields[view]) for view in views]
            label = "" if images else _plain(str(meta["label"]))
            export_official(folder, name, decode_depth(sample.fields["depth.npy"]), images, label)
            progress.advance()
    return len(used)


def _plain(text: str) -> str:
    """The text with '-' for whatever a name in the layout cannot hold."""
    return re.sub(r"[^\w .-]", "-", text).replace(" ", "_")
