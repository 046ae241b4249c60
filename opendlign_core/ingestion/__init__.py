"""Shapes of many formats into clouds of one kind: y up, N points, bad input rejected with a reason."""

from typing import TYPE_CHECKING

from opendlign_core.ingestion.entry import ObjectEntry, UpAxis
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.files import DirectoryFiles, Files
from opendlign_core.ingestion.recipe import STAGE_VERSION, IngestExecution, IngestRecipe, SourceSpec
from opendlign_core.lazy import lazy_exports

if TYPE_CHECKING:
    from opendlign_core.ingestion.adapters import WrongLayout, list_entries
    from opendlign_core.ingestion.cloud import IngestedObject, Mesh, PointCloud, RejectedObject
    from opendlign_core.ingestion.dictionaries import load_array_dictionary
    from opendlign_core.ingestion.ingest import ingest_entries
    from opendlign_core.ingestion.procedural import procedural_cloud, procedural_entry
    from opendlign_core.ingestion.readers import read_shape

__all__ = [
    "STAGE_VERSION",
    "DirectoryFiles",
    "Files",
    "IngestExecution",
    "IngestRecipe",
    "IngestedObject",
    "Mesh",
    "ObjectEntry",
    "PointCloud",
    "RejectedObject",
    "SourceSpec",
    "UnreadableShape",
    "UpAxis",
    "WrongLayout",
    "ingest_entries",
    "list_entries",
    "load_array_dictionary",
    "procedural_cloud",
    "procedural_entry",
    "read_shape",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "IngestedObject": "cloud",
        "Mesh": "cloud",
        "PointCloud": "cloud",
        "RejectedObject": "cloud",
        "WrongLayout": "adapters",
        "ingest_entries": "ingest",
        "list_entries": "adapters",
        "load_array_dictionary": "dictionaries",
        "procedural_cloud": "procedural",
        "procedural_entry": "procedural",
        "read_shape": "readers",
    },
)
