"""Learners: the depth branch that aligns CLIP with depth maps, and the small CLIP that ships with the product."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
