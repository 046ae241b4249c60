"""The `json` of a sample: who the object is, and what each stage has said about it.

A stage adds fields and never drops one; fields of earlier stages that a kind does not name travel along unchanged.
"""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from opendlign_core.camera import Pose


class Meta(BaseModel):
    """Who an object is. Fields that are not declared are kept, so a copy through `as_dict` loses nothing."""

    model_config = ConfigDict(frozen=True, extra="allow")

    object_id: str
    """`<source>/<name>`, unique in a catalog."""
    source: str
    split: str
    label: str = ""
    caption: str = ""

    @property
    def words(self) -> str:
        """What the object is called: its caption, or else its label."""
        return self.caption or self.label

    @classmethod
    def of(cls, earlier: "Meta", **more: Any) -> Self:
        """What an earlier stage said, and more.

        >>> clouds = CloudMeta(object_id="toys/chair", source="toys", split="train", points=1024)
        >>> DepthMeta.of(clouds, views=10, size=224).as_dict()["points"]
        1024
        """
        return cls.model_validate({**earlier.as_dict(), **more})

    def as_dict(self) -> dict[str, Any]:
        """What was said about the object, as plain JSON values: fields that were never set are left out."""
        return self.model_dump(exclude_unset=True)

    def who(self) -> "Meta":
        """Only what says who the object is, for outputs that people read beside the others."""
        return Meta(
            object_id=self.object_id, source=self.source, split=self.split, label=self.label, caption=self.caption
        )


class CloudMeta(Meta):
    """What ingestion knows of a cloud."""

    licence: str = ""
    uri: str = ""
    """Where the object's bytes were read from: a key inside its source, with `#member` for a member of a pack."""
    digest: str = ""
    """sha256 of those bytes."""
    points: int = 0
    """Points in the file before they were reduced or padded."""
    padded: bool = False
    """Whether points are repeated because the file held too few."""
    thinned: int = 0
    """Points that a random reduction left to choose the farthest among, where there were too many for that."""
    shrinkage: float = 0.0
    """The share of a mesh's extent that no point reaches, where the recipe's sampling is `stratified`."""
    up_axis: str = "y"
    """The axis that was up in the file; in the sample it is y."""
    unit: str = ""
    part_names: tuple[str, ...] = ()
    """What the numbers of its points' parts stand for, where they were kept."""


class SceneMeta(Meta):
    """What is known of a scan of a place."""

    licence: str = ""
    uri: str = ""
    up_axis: str = "y"
    """The axis that was up in the file; in the sample it is y."""
    unit: str = "m"
    things: tuple[str, ...] = ()
    """What the things with boxes are called, in the order of their boxes."""
    digest: str = ""
    """sha256 of the bytes that it was read from."""
    points: int = 0
    """Points in the file before they were reduced."""
    cubes: float = 0.0
    """Side, in the file's unit, of the cubes of which each kept one point, where there were too many."""


class BoxMeta(BaseModel):
    """A box in a scene, y up."""

    model_config = ConfigDict(frozen=True)

    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    """Along the box's own x, y and z."""
    yaw: float
    """By which the box is turned about y, in radians from +x towards +z."""


class CropMeta(CloudMeta):
    """What is known of a cloud that was cut out of a scene; `points` counts those in its box."""

    scene: str
    """Id of the scene."""
    number: int
    """Which of the scene's boxes this is: of proposals their rank, of true boxes the thing's place."""
    box: BoxMeta
    objectness: float
    """How sure the proposer was that the box holds a thing."""
    probabilities: tuple[float, ...] = ()
    """Of the proposer's own classes, where it knows any."""


class CadReference(BaseModel):
    """The CAD that a photo's pose is said of."""

    model_config = ConfigDict(frozen=True)

    uri: str
    """Where it was read from: a key inside the source."""
    digest: str
    """sha256 of its vertices and triangles, by which the CADs of a shard are named."""
    number: int
    """Which of its category's CADs it is."""


class PhotoMeta(Meta):
    """What is known of an object in a photo; pixels are those of the picture in the sample."""

    licence: str = ""
    uri: str = ""
    """Where the whole photo was read from: a key inside its source."""
    digest: str = ""
    """sha256 of the photo's bytes."""
    height: int
    width: int
    shown: tuple[int, int, int, int]
    """First row, end of rows, first column and end of columns that show the photo; the rest is padding."""
    pose: Pose
    angles_only: bool = False
    """Whether nobody annotated more than the pose's angles; its distance is a guess then."""
    box: tuple[float, float, float, float]
    """Left, top, right and bottom of the object; not cut at the picture's border."""
    cad: CadReference | None = None
    status: str = ""
    """How well the object is seen: `status_good`, `status_partially`, `status_barely`, `status_bad` or nothing."""
    dense: bool | None = None
    """Whether another object of its category is very near; None where nobody says."""
    scale: float = 1.0
    """By which the photo was enlarged."""


class DepthMeta(Meta):
    """What is known of an object's depth maps."""

    views: int
    size: int
    """Side of the square maps in pixels."""


class GateScore(BaseModel):
    """What the gate measured on one image, and why it failed, if it did."""

    model_config = ConfigDict(frozen=True)

    brightness: float
    variation: float
    edge_agreement: float
    reason: str | None = None

    @model_serializer(mode="wrap")
    def _stored(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An image that passed has no reason, rather than an empty one."""
        return {name: value for name, value in plain(self).items() if value is not None}


class PaintedMeta(DepthMeta):
    """How images were painted; entry i of each tuple belongs to depth map i. Imported images have no such entries."""

    prompts: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    gate: tuple[GateScore, ...] = ()
    attempts: tuple[int, ...] = ()
