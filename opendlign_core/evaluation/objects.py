"""Single objects: what is this, and which of these is meant. Behind `opendlign classify` and `opendlign search`."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.classification.ranking import mixed_queries, object_embeddings
from opendlign_core.evaluation.classification.scoring import view_features
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import EvalSample, FeaturePlan, Floats, plan_for
from opendlign_core.evaluation.index import EmbeddingIndex, Hit, search_file
from opendlign_core.evaluation.index_file import IndexRow, write_index
from opendlign_core.evaluation.labels import check_labels
from opendlign_core.evaluation.model import EvaluatedModel, encode_texts, text_classifier
from opendlign_core.evaluation.specs import METHODS, MethodSpec
from opendlign_core.pictures import contact_sheet, depth_picture

_PREVIEW = 112


@dataclass(frozen=True)
class Classification:
    """One object's probabilities over the labels; views are judged one by one in `view_probabilities`."""

    object_id: str
    labels: tuple[str, ...]
    probabilities: Floats  # [C]
    view_probabilities: Floats  # [V, C]

    @property
    def prediction(self) -> str:
        """The most probable label."""
        return self.labels[int(self.probabilities.argmax())]

    def ranked(self) -> list[tuple[str, float]]:
        """Labels with their probability, best first."""
        order = np.argsort(-self.probabilities, kind="stable")
        return [(self.labels[index], float(self.probabilities[index])) for index in order]


def classify(
    model: EvaluatedModel,
    samples: Iterable[EvalSample],
    labels: Sequence[str],
    method: MethodSpec = METHODS["opendlign"],
    image_batch: int = 160,
) -> Iterator[Classification]:
    """Probabilities of every object: the softmax, at CLIP's temperature, of the cosines averaged over the views.

    The order of the labels is that of the averaged cosines; the benchmark's own scores are nearly flat by design.
    """
    names = check_labels(labels, "the labels")
    text = text_classifier(model, names, method.text)  # [C, E]
    for batch, features in _view_features(model, samples, method, image_batch):
        cosines = torch.from_numpy(features) @ text.T  # [B, V, C]
        views = F.softmax(model.logit_scale * cosines, dim=-1).numpy()
        overall = F.softmax(model.logit_scale * cosines.mean(dim=1), dim=-1).numpy()
        for row, sample in enumerate(batch):
            yield Classification(sample.object_id, names, overall[row], views[row])


def _view_features(
    model: EvaluatedModel, samples: Iterable[EvalSample], method: MethodSpec, image_batch: int
) -> Iterator[tuple[list[EvalSample], Floats]]:
    """Batches of samples with the features [B, V, E] that a method judges; the first sample says how many views."""
    waiting = iter(samples)
    for first in waiting:
        plan = plan_for(method, len(first.depth))
        extractor = Extractor(model, plan, method.pixels, image_batch=image_batch)
        for batch, features in extractor.stream(chain([first], waiting)):
            yield batch, view_features(features, method)


def classification_picture(sample: EvalSample, found: Classification, tile: int = 168) -> Image.Image:
    """The depth views in two rows, each with its own best label and that label's probability."""
    captions = view_captions(found)
    views = [depth_picture(_gray(depth)) for depth in sample.depth[: len(captions)]]
    return contact_sheet(views, captions, columns=(len(views) + 1) // 2, tile=tile)


def view_captions(found: Classification) -> list[str]:
    """Every view's own best label with its probability, such as `chair 70%`."""
    best = found.view_probabilities.argmax(axis=1)
    return [
        f"{found.labels[label]} {100 * found.view_probabilities[view, label]:.0f}%" for view, label in enumerate(best)
    ]


def build_index(
    model: EvaluatedModel,
    samples: Iterable[EvalSample],
    path: Path,
    method: MethodSpec = METHODS["opendlign"],
    image_batch: int = 160,
) -> int:
    """Embed objects as they come, write them to `path` and return their number.

    An object's embedding is the unit mean of its view features, each view through the branch `method` gives it.
    """
    return write_index(path, _index_rows(_view_features(model, samples, method, image_batch)), model.fingerprint)


def _index_rows(batches: Iterable[tuple[list[EvalSample], Floats]]) -> Iterator[IndexRow]:
    for batch, features in batches:
        for sample, embedding in zip(batch, object_embeddings(features), strict=True):
            yield IndexRow(sample.object_id, sample.label, embedding, preview_of(sample))


def preview_of(sample: EvalSample) -> bytes:
    """A small WebP of the first depth view."""
    picture = Image.fromarray(depth_picture(_gray(sample.depth[0])))
    picture.thumbnail((_PREVIEW, _PREVIEW))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=70)
    return buffer.getvalue()


def query_embedding(
    model: EvaluatedModel, text: str | None = None, image: Floats | None = None, shape: EvalSample | None = None
) -> Floats:
    """A unit query [1, E] from words, a picture [H, W, 3] in [0, 1], a shape's depth maps, or words with a picture.

    Words are taken as they are written: a whole sentence is its own prompt.
    """
    if shape is not None:
        return shape_embeddings(model, [shape])
    words = None if text is None else encode_texts(model, [text]).numpy()
    pixels = None if image is None else picture_embeddings(model, image[None])
    if words is not None and pixels is not None:
        return mixed_queries(words, pixels)
    single = words if words is not None else pixels
    if single is None:
        raise BadInput("a query needs words, a picture or a shape")
    return single


def shape_embeddings(
    model: EvaluatedModel,
    samples: Iterable[EvalSample],
    method: MethodSpec = METHODS["opendlign"],
    image_batch: int = 160,
) -> Floats:  # [N, E]
    """Unit embeddings of objects, each the mean over its views.

    Raises:
        BadInput: there are none.
    """
    parts = [object_embeddings(features) for _, features in _view_features(model, samples, method, image_batch)]
    if not parts:
        raise BadInput("there is nothing to embed")
    return np.concatenate(parts)


def picture_embeddings(model: EvaluatedModel, pictures: Floats) -> Floats:
    """Unit embeddings [N, E] of pictures [N, H, W, 3] in [0, 1]."""
    pixels = torch.from_numpy(np.ascontiguousarray(pictures, np.float32)).movedim(-1, 1)
    return Extractor(model, FeaturePlan((), ())).encode_pictures(pixels)


def search(model: EvaluatedModel, index: EmbeddingIndex | Path, query: Floats, top: int = 10) -> list[Hit]:
    """The objects nearest to a query [1, E]; an index given as a path is streamed.

    Raises:
        BadInput: the index was built with other weights.
    """
    if isinstance(index, Path):
        return search_file(index, query, top, model.fingerprint)[0]
    index.check_model(model.fingerprint)
    return index.search(query, top)[0]


def hits_picture(hits: Sequence[Hit], columns: int = 5, tile: int = 160) -> Image.Image:
    """The hits' pictures, best first, with label (or id) and cosine."""
    if not hits:
        raise BadInput("no hits to draw: the index is empty")
    pictures = [_preview_pixels(hit) for hit in hits]
    captions = [f"{number}. {hit.label or hit.object_id} {hit.score:.3f}" for number, hit in enumerate(hits, 1)]
    return contact_sheet(pictures, captions, columns=columns, tile=tile)


def _preview_pixels(hit: Hit) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    if not hit.preview:
        return np.full((_PREVIEW, _PREVIEW, 3), 235, np.uint8)
    return np.asarray(Image.open(io.BytesIO(hit.preview)).convert("RGB"))


def _gray(depth: Floats) -> Floats:
    return depth if depth.ndim == 2 else depth.mean(axis=-1)
