"""The catalog: one row per object of an ingest output, accepted or rejected."""

import pyarrow as pa

from storage.tables import Table

CATALOG = Table(
    pa.schema(
        [
            pa.field("object_id", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("split", pa.string()),
            pa.field("label", pa.string()),
            pa.field("caption", pa.string()),
            pa.field("uri", pa.string(), nullable=False),
            pa.field("digest", pa.string()),
            pa.field("points", pa.int64()),
            pa.field("padded", pa.bool_()),
            pa.field("up_axis", pa.string()),
            pa.field("unit", pa.string()),
            pa.field("licence", pa.string()),
            pa.field("rejected", pa.string()),
        ]
    ),
    unique="object_id",
)
