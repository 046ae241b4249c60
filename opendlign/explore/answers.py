"""What the model says: searches among the store's shapes, and labels through the frozen and the tuned branch."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from opendlign.explore.gallery import Shape
from opendlign.models import Trained
from opendlign.shapes import default_index
from opendlign_core.clip.vocabulary import unread_words
from opendlign_core.evaluation import (
    METHODS,
    Classification,
    EmbeddingIndex,
    EvalSample,
    Hit,
    classify,
    query_embedding,
    search,
)
from opendlign_core.evaluation.features import Floats
from tasks.words import clip_of

FROZEN, TUNED = METHODS["training-free"], METHODS["aligned-texts"]
SHOWN = 24


class BothBranches(NamedTuple):
    """One shape's labels, before and after training."""

    frozen: Classification
    tuned: Classification


class Answers:
    """The model at work; it answers one question at a time."""

    def __init__(self, trained: Trained) -> None:
        self._trained = trained
        self._model = trained.model
        self._index = EmbeddingIndex(default_index(trained))
        self._clip = clip_of(trained.manifest)
        self._turn = threading.Lock()

    @property
    def model(self) -> str:
        return self._model.name

    def by_words(self, words: str) -> list[Hit]:
        """Shapes that words describe, the nearest first."""
        return self._search(text=words)

    def by_picture(self, picture: Floats) -> list[Hit]:
        """Shapes that look like a picture [H, W, 3] in [0, 1]."""
        return self._search(image=picture)

    def by_shape(self, shape: Shape) -> list[Hit]:
        """Shapes like another one."""
        return self._search(shape=EvalSample(shape.name, None, shape.views))

    def _search(
        self, text: str | None = None, image: Floats | None = None, shape: EvalSample | None = None
    ) -> list[Hit]:
        with self._turn:
            return search(self._model, self._index, query_embedding(self._model, text, image, shape), SHOWN)

    def label(self, shape: Shape, labels: Sequence[str]) -> BothBranches:
        """The probabilities of labels, without training and with it.

        Raises:
            BadInput: two of the labels mean the same.
        """
        sample = EvalSample(shape.name, None, shape.views)
        with self._turn:
            return BothBranches(*(next(classify(self._model, [sample], labels, how)) for how in (FROZEN, TUNED)))

    def unread(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Words that the CLIP never read."""
        return unread_words(self._clip, texts)
