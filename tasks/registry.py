"""The stages of the pipeline, in the order in which plans and menus list them."""

from storage.collect import Beside
from tasks.align import ALIGN
from tasks.dlign import DLIGN
from tasks.evaluate import EVALUATE
from tasks.ingest import INGEST
from tasks.posenet import POSENET
from tasks.project import PROJECT
from tasks.propose import PROPOSE
from tasks.shards import TIMINGS
from tasks.stage import AnyStage
from tasks.synthesize import SYNTHESIZE
from tasks.train import TRAIN

STAGES: tuple[AnyStage, ...] = (INGEST, PROPOSE, PROJECT, SYNTHESIZE, ALIGN, DLIGN, TRAIN, POSENET, EVALUATE)


BESIDE: tuple[Beside, ...] = tuple(dict.fromkeys((TIMINGS, *(one for stage in STAGES for one in stage.beside))))
"""What lies beside outputs, for `gc`."""


def stage_named(name: str) -> AnyStage:
    """The stage of that name; raises `LookupError` naming what there is."""
    for stage in STAGES:
        if stage.name == name:
            return stage
    raise LookupError(f"no stage {name!r}; stages are {', '.join(stage.name for stage in STAGES)}")
