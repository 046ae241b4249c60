"""The last gate: does an object look more like its own caption than like its neighbours' captions?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from opendlign_core.clip.features import unit_array
from opendlign_core.samples import Painted
from opendlign_core.synthesis.recipe import GateRecipe
from opendlign_core.synthesis.types import RejectedSynthesis


class CaptionScorer(Protocol):
    """A model that puts pictures and sentences into one space, such as CLIP."""

    def image_features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [N, D] of images [N, H, W, 3]."""

    def text_features(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Features [N, D] of captions."""


def keep_recognised(
    outcomes: Iterable[Painted | RejectedSynthesis], scorer: CaptionScorer, gate: GateRecipe
) -> Iterator[Painted | RejectedSynthesis]:
    """Reject objects whose own prompt ranks below `gate.caption_top_k` among those of their batch.

    A batch is `gate.caption_batch` consecutive outcomes. An object's feature is the mean of its views' normalised
    features. Equal prompts count as one, so a batch of many chairs does not push chairs out.
    """
    if gate.caption_top_k is None:
        yield from outcomes
        return
    stream = iter(outcomes)
    while batch := list(islice(stream, gate.caption_batch)):
        painted = [outcome for outcome in batch if isinstance(outcome, Painted)]
        ranks = iter(_ranks(painted, scorer) if painted else ())
        for outcome in batch:
            if isinstance(outcome, Painted) and (verdict := _Verdict(next(ranks), gate.caption_top_k)).fails:
                yield RejectedSynthesis(outcome.meta.object_id, verdict.reason)
            else:
                yield outcome


@dataclass(frozen=True)
class _Verdict:
    rank: int
    top_k: int

    @property
    def fails(self) -> bool:
        return self.rank > self.top_k

    @property
    def reason(self) -> str:
        return f"unrecognised: its caption ranks {self.rank} in its batch, {self.top_k} is the last that passes"


def _ranks(painted: list[Painted], scorer: CaptionScorer) -> list[int]:
    """The place, from 1, of every object's prompt among the distinct prompts."""
    prompts = list(dict.fromkeys(item.meta.prompts[0] for item in painted))
    texts = unit_array(scorer.text_features(prompts))
    ranks = []
    for item in painted:
        scores = texts @ unit_array(scorer.image_features(item.pictures())).mean(0)
        ranks.append(1 + int((scores > scores[prompts.index(item.meta.prompts[0])]).sum()))
    return ranks
