"""Proposals: where in a scene things may stand, before anybody says what they are."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
