"""What stands in the boxes of a scene as clouds: ordinary samples that say which box of which scene they are."""

from collections.abc import Iterator

import numpy as np

from opendlign_core.chance import object_rng
from opendlign_core.proposal.crops import Indices, held
from opendlign_core.proposal.proposals import Proposals
from opendlign_core.proposal.recipe import ProposeRecipe
from opendlign_core.samples import BoxMeta, Cloud, CropMeta, Scene


def clouds_of(scene: Scene, proposals: Proposals, recipe: ProposeRecipe) -> Iterator[Cloud]:
    """A cloud of each box that holds enough points, called `<scene>/<number of the box>`.

    Points keep their place in the scene and its unit; there are as many as the box holds, at most `recipe.points`.
    """
    true = recipe.proposer.kind == "ground-truth"
    for number, own in enumerate(held(scene.points, proposals.boxes, recipe.margin)):
        if len(own) < recipe.fewest:
            continue
        meta = _meta(scene, proposals, number, len(own), scene.meta.things[number] if true else "")
        kept = _drawn(own, recipe, meta.object_id)
        yield Cloud(meta, scene.points[kept], None if scene.colors is None else scene.colors[kept])


def _drawn(own: Indices, recipe: ProposeRecipe, object_id: str) -> Indices:
    """All points of a box, or so many in their order."""
    if len(own) <= recipe.points:
        return own
    return np.sort(object_rng(recipe.seed, object_id).choice(own, recipe.points, replace=False))


def _meta(scene: Scene, proposals: Proposals, number: int, points: int, label: str) -> CropMeta:
    boxes, known = proposals.boxes, proposals.probabilities
    told = {} if known is None else {"probabilities": tuple(np.round(known[number].astype(float), 6).tolist())}
    return CropMeta(
        object_id=f"{scene.meta.object_id}/{number}",
        source=scene.meta.source,
        split=scene.meta.split,
        label=label,
        licence=scene.meta.licence,
        unit=scene.meta.unit,
        points=points,
        scene=scene.meta.object_id,
        number=number,
        box=BoxMeta(
            centre=tuple(boxes.centres[number].tolist()),
            size=tuple(boxes.sizes[number].tolist()),
            yaw=float(boxes.yaws[number]),
        ),
        objectness=float(proposals.objectness[number]),
        **told,
    )
