"""Names of classes as text: the lists that data sets do not ship with their files, and how labels become captions."""

from opendlign_core.ingestion.labels.names import SCANOBJECTNN, SHAPENET_PARTS, SHAPENET_SYNSETS
from opendlign_core.ingestion.labels.text import plain_label

__all__ = ["SCANOBJECTNN", "SHAPENET_PARTS", "SHAPENET_SYNSETS", "plain_label"]
