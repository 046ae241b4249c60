"""What an open_clip ViT knows of each patch of an image: its blocks' outputs, and tokens in the space of texts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
