"""Features with class indices: which objects count, and as what."""

from dataclasses import dataclass

import numpy as np

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.classification.metrics import Ints
from opendlign_core.evaluation.features import ViewFeatures
from opendlign_core.evaluation.labels import LabelIndex, fold, resolve_labels
from opendlign_core.evaluation.specs import DatasetSpec


@dataclass(frozen=True)
class LabelledFeatures:
    """Features of the objects whose label leads to a class."""

    features: ViewFeatures
    labels: Ints  # [N]
    classes: tuple[str, ...]
    left_out: int


def with_labels(
    features: ViewFeatures, dataset: DatasetSpec, classes: tuple[str, ...] | None = None
) -> LabelledFeatures:
    """Keep the objects whose label leads to a class.

    Raises:
        BadInput: no object is left.
    """
    aliases = {fold(written): name for written, name in dataset.aliases.items()}
    found = [aliases.get(fold(label), label) for label in features.labels if label is not None]
    names = classes or resolve_labels(dataset.labels, found)
    index = LabelIndex(names, dataset.aliases)
    positions = [index.find(label) for label in features.labels]
    rows = np.asarray([row for row, position in enumerate(positions) if position is not None], np.int64)
    if not len(rows):
        raise BadInput(f"{dataset.name}: no label of its {len(features)} objects is among the {len(names)} classes")
    labels = np.asarray([position for position in positions if position is not None], np.int64)
    kept = features if len(rows) == len(features) else features.take(rows)
    return LabelledFeatures(kept, labels, names, len(features) - len(rows))
