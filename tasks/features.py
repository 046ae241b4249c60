"""The store as a cache of what evaluations extract, shared by all that judge the same data with the same weights."""

import io
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.collect import Beside
from storage.store import Store

logger = logging.getLogger(__name__)

FEATURES = Beside("features", shared=True)


class StoredFeatures:
    """A `FeatureCache` in the store: one `.npz` per key, put only if absent; an unreadable one makes room for another.

    `user` is the output (stage/fingerprint) that the features are for: a note says so, and `gc` keeps features for
    as long as one of their users stays.
    """

    def __init__(self, store: Store, user: str) -> None:
        self._store = store
        self._user = user

    def get(self, key: str) -> Mapping[str, NDArray[Any]] | None:
        try:
            packed = self._store.read(f"features/{key}.npz")
        except FileNotFoundError:
            return None
        self._note(key)
        try:
            with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
                return dict(arrays.items())
        except Exception as fault:  # whatever a damaged archive makes its parsers raise
            logger.warning("features/%s.npz is damaged and is computed anew: %s", key, fault)
            self._store.delete(f"features/{key}.npz")
            return None

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        buffer = io.BytesIO()
        named: dict[str, Any] = dict(arrays)
        np.savez(buffer, **named)
        self._note(key)
        self._store.put_if_absent(f"features/{key}.npz", buffer.getvalue())

    def _note(self, key: str) -> None:
        self._store.put_if_absent(f"features/{self._user}/{key}.npz", b"")
