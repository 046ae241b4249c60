"""Shapes of many formats into clouds of one kind: y up, N points, bad input rejected with a reason."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
