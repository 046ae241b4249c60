"""Dataset adapters: how the files of known datasets become catalog entries."""

from opendlign_core.ingestion.adapters.registry import ADAPTERS, adapter_named, list_entries
from opendlign_core.ingestion.adapters.spec import Adapter, WrongLayout

__all__ = ["ADAPTERS", "Adapter", "WrongLayout", "adapter_named", "list_entries"]
