"""What stages keep beside their outputs, for `gc`: notes of cost, trainings in progress, shared features."""

from storage.collect import Beside

BESIDE = (
    Beside("timings"),
    Beside("checkpoints", until="finished"),
    Beside("features", shared=True),
)
