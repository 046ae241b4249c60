"""Seeds that depend on what is painted, never on batch, worker or order."""

import hashlib


def image_seed(recipe_seed: int, key: str, view: int, attempt: int = 0) -> int:
    """The seed of one image, the same on every machine; 63 bits, so that it fits signed integers everywhere.

    `attempt` counts regenerations after a rejection.
    """
    material = f"{recipe_seed}\n{key}\n{view}\n{attempt}".encode()
    return int.from_bytes(hashlib.sha256(material).digest()[:8], "big") >> 1
