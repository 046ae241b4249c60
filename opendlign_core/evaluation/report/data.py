"""What the report page shows, as plain data that any caller can fill."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.findings import Example
from opendlign_core.evaluation.paired import Gain
from opendlign_core.evaluation.results import EvaluationResults

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Curve:
    """One training curve: `panel` names the value and groups curves that share axes; points are (step, value)."""

    panel: str
    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ExamplePicture:
    """An example with its depth views as one picture [H, W] or [H, W, 3]."""

    example: Example
    picture: UInt8


@dataclass(frozen=True)
class ImagePair:
    """A depth map and the image painted on it, side by side in one picture [H, W, 3]."""

    title: str
    caption: str
    picture: UInt8


@dataclass(frozen=True)
class StageCost:
    """What one stage took: `objects` went in, `rejected` did not come out; money per hour where it is known."""

    stage: str
    seconds: float
    objects: int
    megabytes: float = 0.0
    rejected: int = 0
    cost_per_hour: float | None = None
    currency: str = ""


@dataclass(frozen=True)
class SourceFacts:
    """A source that objects were judged or trained on: how many came from it, by split."""

    name: str
    splits: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Rejection:
    """Objects that a stage turned away for one reason; `example` is the id of one of them."""

    stage: str
    reason: str
    count: int
    example: str


@dataclass(frozen=True)
class ReportData:
    """Everything on the page. Sections without data are left out; provenance is shown as (name, text)."""

    title: str
    results: EvaluationResults
    curves: tuple[Curve, ...] = ()
    examples: tuple[ExamplePicture, ...] = ()
    pairs: tuple[ImagePair, ...] = ()
    stages: tuple[StageCost, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    show_published: bool = True
    gains: tuple[Gain, ...] = ()
    """What methods gained over the frozen one."""
    sources: tuple[SourceFacts, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    unread: tuple[str, ...] = ()
    """Words of the classes that the CLIP never read."""
    trained: bool = True
    """Whether a trained model was judged, or a frozen CLIP as it is."""
