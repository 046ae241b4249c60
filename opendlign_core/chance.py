"""Random draws that belong to an object, so that neither order, batch nor worker changes them."""

import hashlib

import numpy as np


def object_rng(seed: int, object_id: str) -> np.random.Generator:
    """The random stream of one object.

    >>> object_rng(0, "toys/chair").random() == object_rng(0, "toys/chair").random()
    True
    """
    words = np.frombuffer(hashlib.sha256(object_id.encode()).digest(), dtype="<u4")
    return np.random.default_rng([seed, *words.tolist()])
