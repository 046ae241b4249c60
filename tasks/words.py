"""Words of an evaluation that its CLIP never read: what it says of them is a guess, and people are told so."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opendlign_core.clip import ClipSpec
from opendlign_core.clip.vocabulary import unread_words
from storage.output import load_manifest
from storage.records import Manifest
from storage.store import Store

if TYPE_CHECKING:
    from opendlign_core.evaluation.results import EvaluationResults


def clip_of(trained: Manifest) -> ClipSpec:
    """The CLIP that a train output stands on."""
    return ClipSpec.model_validate(trained.recipe["clip"])


def unread_in(clip: ClipSpec, results: "EvaluationResults") -> tuple[str, ...]:
    """Words of the classes and parts of an evaluation that the CLIP never read."""
    return unread_words(clip, _named(results))


def unread_in_evaluation(store: Store, evaluation: Manifest, results: "EvaluationResults") -> tuple[str, ...]:
    """The same for a finished evaluation, whose recipe or model says which CLIP it was."""
    if (frozen := evaluation.recipe.get("clip")) is not None:
        return unread_in(ClipSpec.model_validate(frozen), results)
    trained = load_manifest(store, "train", evaluation.upstream["train"])
    return unread_in(clip_of(trained), results)


def _named(results: "EvaluationResults") -> Iterator[str]:
    from opendlign_core.evaluation import ZERO_SHOT
    from opendlign_core.evaluation.segmentation.benchmark import SEGMENTATION

    for row in results.of(ZERO_SHOT):
        yield from (one.name for one in row.classes)
    for parts in results.of(SEGMENTATION):
        for category in parts.categories:
            yield from (category.name, *category.parts)
