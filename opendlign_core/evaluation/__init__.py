"""Benchmarks: zero-shot, few-shot, retrieval, baselines, and the report people look at.

Heavy names are imported when first used; recipes need no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
