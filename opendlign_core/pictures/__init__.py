"""Shapes for people to look at: images and contact sheets, and coloured models that other programs open."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
