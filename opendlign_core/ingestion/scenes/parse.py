"""One entry into one scene, by the reader of its data set. Runs inside the parser processes."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.safety import parsing
from opendlign_core.ingestion.scenes.finish import finish_scene
from opendlign_core.ingestion.scenes.plain import read_plain
from opendlign_core.ingestion.scenes.rooms import read_room
from opendlign_core.ingestion.scenes.scan import Scan
from opendlign_core.ingestion.scenes.scannet import read_scannet, read_votenet
from opendlign_core.ingestion.scenes.sunrgbd import read_sunrgbd
from opendlign_core.samples.scene import Scene

SceneReader = Callable[[ObjectEntry, Mapping[str, Path], IngestRecipe], Scan]
"""From an entry, its files by key and the recipe to a scan; raises `UnreadableShape`."""

READERS: Mapping[str, SceneReader] = {
    "rooms": read_room,
    "scannet": read_scannet,
    "scannet-votenet": read_votenet,
    "sunrgbd": read_sunrgbd,
    "scans": read_plain,
}
"""By the name of the adapter."""


def parse_scene(entry: ObjectEntry, files: Mapping[str, Path], recipe: IngestRecipe) -> Scene:
    """The scene of an entry whose files lie there (none for a generated one).

    Raises:
        UnreadableShape: the files do not make a scene.
    """
    with parsing("scan"):
        scan = READERS[recipe.source.adapter](entry, files, recipe)
        return finish_scene(entry, scan, _digest(scan, [files[key] for key in entry.files]), recipe)


def _digest(scan: Scan, paths: list[Path]) -> str:
    """sha256 of what the scene was read from: its points where they were generated."""
    if not paths:
        return hashlib.sha256(scan.points.tobytes()).hexdigest()
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()
