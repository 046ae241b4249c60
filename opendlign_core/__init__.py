"""Shapes into depth maps, images and embeddings: what a notebook needs, as a dozen functions.

    import opendlign_core as od

Nothing heavy is imported before it is used. The rooms below hold the rest; docs/python.md shows both.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
