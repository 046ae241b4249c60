"""CLIPs of open_clip: what they are, how they are loaded, what pixels and words they take."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
