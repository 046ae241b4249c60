"""Depth maps in, depth-aligned images out, each image painted from one depth map, one prompt and one seed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
