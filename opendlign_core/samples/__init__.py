"""What travels between stages: typed samples and their codecs. Free of torch.

Every kind of sample is a frozen object: its `meta` says who it is, the rest are arrays or encoded bytes. `fields()` is
what lies in a shard, `read(key, fields)` brings it back.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
