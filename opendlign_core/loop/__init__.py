"""The loop that every learner shares: order, exact resume, checkpoints, metrics, schedule, several processes.

Nothing here knows what is trained. A `Learner` brings a model, its loss and what a batch is; `Batches` say what each
step trains on; `run_loop` does the rest.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
