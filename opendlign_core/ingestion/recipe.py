"""Settings of the ingest stage; importing this module imports no numerics."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis
from opendlign_core.ingestion.posed.recipe import PhotoReading
from opendlign_core.recipe import Execution, Recipe

STAGE_VERSION = 1
"""Raised whenever the same recipe would give other bytes than before."""


def _sorted_pairs(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(sorted((str(key), str(item)) for key, item in value.items()))
    return value


FrozenOptions = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(_sorted_pairs),
    PlainSerializer(dict, return_type=dict[str, str]),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
"""A mapping of str to str that is given and dumped as a mapping, and held as sorted pairs."""


class SourceSpec(Recipe):
    """Which dataset to ingest, and how its layout is understood."""

    adapter: str
    """Name of the dataset adapter."""
    url: str = ""
    """Folder (local path or `s3://bucket/prefix`) that keys are relative to; empty for generated data."""
    name: str = ""
    """First part of every object id; the adapter's name when empty."""
    splits: tuple[str, ...] = ()
    """Splits to take; all when empty."""
    limit: int | None = Field(default=None, ge=1)
    """Take only the first objects of the listing."""
    up_axis: UpAxis | None = None
    """Replaces the adapter's up axis."""
    unit: str | None = None
    """Replaces the adapter's unit."""
    licence: str | None = None
    """Replaces the adapter's licence."""
    options: FrozenOptions = ()
    """Adapter-specific settings, documented by each adapter."""

    def option(self, key: str, default: str) -> str:
        """The adapter-specific setting `key`, or `default`."""
        return dict(self.options).get(key, default)

    def number(self, key: str, default: int) -> int:
        """The adapter-specific setting `key` as a whole number that is not negative; raises BadInput."""
        text = self.option(key, str(default))
        if not text.isdecimal():
            raise BadInput(f"option {key} of adapter {self.adapter!r} must be a whole number, got {text!r}")
        return int(text)


class SceneReading(Recipe):
    """How scans of places are read; clouds of single objects are not concerned."""

    most_points: int = Field(default=200_000, ge=1, le=2_000_000)
    """Most points of a scene."""
    reduction: Literal["cubes", "random"] = "cubes"
    """How a larger scene is reduced: to one point, drawn at random, of each cube of a grid that is as fine as that
    allows, or to points drawn at random from all."""


class IngestRecipe(Recipe):
    """Everything that changes the clouds of the ingest stage."""

    source: SourceSpec
    points: int = Field(default=10_000, ge=1, le=1_000_000)
    """Points per cloud: meshes are sampled, larger clouds reduced, smaller ones padded by repetition."""
    reduction: Literal["fps", "random", "first"] = "fps"
    """How a larger cloud is reduced: exact farthest-point sampling, a seeded random subset, or its first points."""
    seed: int = Field(default=0, ge=0)
    """Seeds mesh sampling and random reduction together with the object id."""
    shard_size: int = Field(default=500, ge=1)
    """Objects per shard."""
    sampling: Literal["area", "stratified"] = Field(default="area", json_schema_extra={"added": True})
    """How points are drawn from a mesh: all by chance, uniformly by area, or so that no outermost corner and no
    connected part is left without any and the rest lies evenly."""
    farthest_among: int = Field(default=200_000, ge=1, json_schema_extra={"added": True})
    """Most points that farthest-point sampling chooses among: a larger cloud is reduced at random first."""
    keep_parts: bool = Field(default=False, json_schema_extra={"added": True})
    """Whether the number of each point's part is kept where the source has it."""
    parse_seconds: float | None = Field(default=None, ge=1, json_schema_extra={"added": True})
    """Processor time that parsing one object may need before it is rejected; without a limit, none is rejected."""
    parse_memory_mib: int | None = Field(default=None, ge=64, json_schema_extra={"added": True})
    """Memory that parsing one object may need before it is rejected; without a limit, none is rejected."""
    scene: SceneReading = Field(default=SceneReading(), json_schema_extra={"added": True})
    """How a source of scenes is read, for which `points`, `reduction` and `sampling` say nothing."""
    photo: PhotoReading = Field(default=PhotoReading(), json_schema_extra={"added": True})
    """How a source of photos with poses is read, for which they say nothing either."""


class IngestExecution(Execution):
    """How ingestion is run; none of it changes a byte of the accepted clouds."""

    workers: int = Field(default=2, ge=1)
    """Parser processes."""
    timeout_seconds: float = Field(default=60.0, gt=0)
    """Time that the first try at an object may take; two more tries get three and nine times as long."""
    memory_mib: int = Field(default=1024, ge=64)
    """Memory that the first try may allocate; two more tries get three and nine times as much."""
    max_rejected_share: float = Field(default=0.05, ge=0, le=1)
    """Share of rejected objects above which the stage fails."""
