"""The embedded data set: everyday objects built from random draws, with labels, captions and colours."""

from opendlign_core.ingestion.procedural.dataset import (
    CATEGORIES,
    LABELS,
    SPLIT_ROUNDS,
    ProceduralObject,
    build_object,
    category_parts,
    cloud_of_entry,
    list_procedural,
    procedural_cloud,
    procedural_entry,
    procedural_mesh,
    select_categories,
)

__all__ = [
    "CATEGORIES",
    "LABELS",
    "SPLIT_ROUNDS",
    "ProceduralObject",
    "build_object",
    "category_parts",
    "cloud_of_entry",
    "list_procedural",
    "procedural_cloud",
    "procedural_entry",
    "procedural_mesh",
    "select_categories",
]
