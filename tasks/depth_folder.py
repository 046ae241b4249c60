"""Data in the folder layout that OpenDlign publishes, as outputs of the store and back."""

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import DirectoryFiles, UnreadableShape
from opendlign_core.projection import STAGE_VERSION as PROJECT_VERSION
from opendlign_core.recipe import Recipe
from opendlign_core.samples import DepthMaps, DepthMeta, ImageRecipe, Painted, PaintedMeta
from opendlign_core.synthesis import STAGE_VERSION as SYNTHESIZE_VERSION
from storage.fingerprint import StageIdentity, digest_items
from storage.output import ShardRange, StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.contents import Contents, note_contents
from tasks.listing import SourceChanged
from tasks.progress import Listener, StageProgress, tracking
from tasks.shards import ShardBuilder, building, finish

if TYPE_CHECKING:
    from opendlign_core.ingestion import FolderObject
    from opendlign_core.ingestion.depth_reader import DepthFolderReader


class ImportRecipe(Recipe):
    """Depth maps and images that were made elsewhere, taken as they are."""

    official: str
    """Name of the data set; part of every object's id."""
    files: str
    """Digest of what the files of depth maps and images hold."""
    split: str = "train"
    image: ImageRecipe = ImageRecipe(format="png")
    shard_size: int = 360


class DepthFolder:
    """A data set's folder: its objects by name, and what their files hold."""

    def __init__(self, folder: Path) -> None:
        from opendlign_core.ingestion.depth_folder import IMAGE_FOLDER, depth_files

        self.objects = depth_files(folder)
        self.painted = (folder / IMAGE_FOLDER).is_dir()
        self._files = DirectoryFiles(folder)
        self._contents = Contents(self._files)
        self._keys = self._keys_of_objects()
        self.vast = self._contents.are_vast(key for keys in self._keys.values() for key in keys)

    def _keys_of_objects(self) -> dict[Path, list[str]]:
        """The files of each object, by its file of depth maps."""
        from opendlign_core.ingestion.depth_folder import image_folder

        images: dict[str, list[str]] = {}
        for key in self._files.infos:
            images.setdefault(key.rpartition("/")[0], []).append(key)
        inside = {path: _key(image_folder(path).relative_to(path.parent.parent)) for path in self.objects}
        return {
            path: [_key(Path(path.parent.name, path.name)), *images.get(inside[path], ())] for path in self.objects
        }

    @cached_property
    def _listed(self) -> Mapping[str, str]:
        """The digest of every file; of none where reading all would take too long."""
        return {} if self.vast else self._contents.listed(key for keys in self._keys.values() for key in keys)

    def digest(self) -> str:
        """What the folder holds: its bytes, or names and sizes where reading all would take too long."""
        keys = [key for keys in self._keys.values() for key in keys]
        sizes: Mapping[str, str | int] = {key: info.size for key, info in self._files.infos.items()}
        known = sizes if self.vast else self._listed
        return digest_items([key, known.get(key, 0)] for key in keys)

    def name(self, path: Path) -> str:
        """The name of an object's file of depth maps as text, whatever bytes it is made of."""
        return self._keys[path][0].rpartition("/")[2]

    def check(self, path: Path) -> None:
        """Look whether the files of an object may be read, and are what was listed.

        Raises:
            UnreadableShape: a link among them leaves the folder, or a name is no text.
            SourceChanged: a file is another than when the folder was listed.
        """
        from opendlign_core.ingestion.depth_folder import image_folder

        images = image_folder(path)
        folders = [_key(images.relative_to(path.parent.parent))] if images.is_dir() else []
        try:
            for key in (*self._keys[path], *folders):
                self._files.local(key)
        except FileNotFoundError as error:
            raise UnreadableShape(str(error)) from None
        for key in self._keys[path] if not self.vast else ():
            if self._contents.now(key) != self._listed.get(key, ""):
                raise SourceChanged(key)

    def note(self, shard: ShardRange, builder: ShardBuilder) -> None:
        """Keep the digests of a shard's files beside it, where the folder's own digest does not hold them."""
        if self.vast:
            keys = [key for path in self.objects[shard.start : shard.stop] for key in self._keys[path]]
            builder.attachments |= note_contents({key: self._contents.now(key) for key in keys}, builder.folder)


def import_data(
    store: Store,
    folder: Path,
    name: str = "",
    split: str = "train",
    max_rejected_share: float = 0.05,
    listener: Listener | None = None,
) -> Manifest:
    """Bring a data set in the published layout into the store; taken up again, it continues with the missing shards.

    With images it becomes an output of the synthesize stage, ready to be trained on; with depth maps alone one of the
    project stage, with labels as captions. Raises BadInput where the layout is not there.
    """
    from opendlign_core.ingestion.depth_reader import DepthFolderReader

    data = DepthFolder(folder)
    recipe = ImportRecipe(official=name or folder.resolve().name, files=data.digest(), split=split)
    stage, version = ("synthesize", SYNTHESIZE_VERSION) if data.painted else ("project", PROJECT_VERSION)
    output = StageOutput(store, StageIdentity.of(stage, version, recipe))
    plan = plan_shards(len(data.objects), recipe.shard_size)
    missing = output.missing(plan)
    total = sum(shard.stop - shard.start for shard in missing)
    with tracking(StageProgress("import", total, listener=listener)) as progress, DepthFolderReader() as reader:
        for shard in missing:
            with building(output, shard) as builder:
                for path in data.objects[shard.start : shard.stop]:
                    _add(builder, reader, data, path, recipe)
                    progress.advance()
                data.note(shard, builder)
    return finish(output, plan, max_rejected_share=max_rejected_share)


def _key(path: Path) -> str:
    """A path as sources name it, with odd bytes spelled out."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _add(
    builder: ShardBuilder, reader: "DepthFolderReader", data: DepthFolder, path: Path, recipe: ImportRecipe
) -> None:
    """The object of a file of depth maps as a sample or, where a file of it cannot be used, as a rejected one."""
    try:
        data.check(path)
        found = reader.read(path)
    except UnreadableShape as error:
        builder.reject(data.name(path), str(error))
        return
    if data.painted and found.images is None:
        builder.reject(data.name(path), "has no images, unlike other objects of this data set")
    else:
        builder.add(_sample(found, recipe))


def _sample(found: "FolderObject", recipe: ImportRecipe) -> DepthMaps | Painted:
    from opendlign_core.samples import encode_depth, encode_image

    meta = _meta(f"{recipe.official}/{found.name}", found, recipe)
    if found.images is None:
        return DepthMaps(meta, encode_depth(found.depth))
    images = tuple(encode_image(image, recipe.image) for image in found.images)
    return Painted(PaintedMeta.of(meta), encode_depth(found.depth), images, recipe.image.extension)


def _meta(name: str, found: "FolderObject", recipe: ImportRecipe) -> DepthMeta:
    label = found.label or ""
    return DepthMeta.model_validate({
        "object_id": name, "source": recipe.official, "split": recipe.split, "label": label, "caption": label,
        "up_axis": "y", "unit": "", "licence": "", "points": 0, "padded": False,
        "views": len(found.depth), "size": found.depth.shape[-1],
    })  # fmt: skip


def export_data(store: Store, manifest: Manifest, folder: Path, listener: Listener | None = None) -> int:
    """Write a project or synthesize output as files in the published layout; returns the number of objects.

    As in the published sets, labels are part of the names where there are no images. Raises BadInput where two
    objects would get one name.
    """
    from opendlign_core.ingestion import write_folder_object

    kind = Painted if manifest.stage == "synthesize" else DepthMaps
    used: set[str] = set()
    shown = StageProgress("export", manifest.samples, listener=listener)
    with SampleReader(store, manifest) as reader, tracking(shown) as progress:
        for sample in reader:
            found = kind.read(sample.key, sample.fields)
            name = _plain(found.meta.object_id).lstrip(".")
            if name in used:
                raise BadInput(f"two objects would be named {name!r} in the layout that OpenDlign publishes")
            used.add(name)
            images = list(found.pictures()) if isinstance(found, Painted) else []
            label = "" if images else _plain(found.meta.label)
            write_folder_object(folder, name, found.maps(), images, label)
            progress.advance()
    return len(used)


def _plain(text: str) -> str:
    """The text with '-' for whatever a name in the layout cannot hold."""
    return re.sub(r"[^\w .-]", "-", text).replace(" ", "_")
