"""What a model says of shapes: embeddings, names and the nearest others."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from opendlign_core.api.given import as_array, like, listed
from opendlign_core.api.maps import project
from opendlign_core.api.model import Model
from opendlign_core.api.shapes import Floats, Shape, sample
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvalSample
from opendlign_core.ingestion.cloud import Mesh, PointCloud

INDEX_SUFFIX = ".parquet"

if TYPE_CHECKING:
    import torch

    from opendlign_core.evaluation import Classification, Hit


@overload
def embed(model: Model, shapes: "torch.Tensor") -> "torch.Tensor": ...
@overload
def embed(model: Model, shapes: Mesh | PointCloud | Floats | Sequence[Shape]) -> Floats: ...
def embed(model: Model, shapes: "Shape | Sequence[Shape]") -> "Floats | torch.Tensor":
    """Unit embeddings [N, E] of shapes, each the mean over its views; comparable with those of words and pictures.

    A tensor gives a tensor, on the same device.

    >>> import opendlign_core as od
    >>> od.embed(od.load("package:mini"), [od.toy("mug"), od.toy("chair")]).shape
    (2, 64)

    Raises:
        BadInput: a shape cannot be projected.
    """
    from opendlign_core.evaluation.objects import shape_embeddings

    return like(shape_embeddings(model.encoders, _seen(model, _several(shapes))), shapes)


def embed_words(model: Model, words: Sequence[str]) -> Floats:
    """Unit embeddings [N, E] of sentences, taken as they are written.

    >>> import opendlign_core as od
    >>> od.embed_words(od.load("package:mini"), ["a red mug"]).shape
    (1, 64)

    Raises:
        BadInput: a single text instead of a list, or no sentence.
    """
    from opendlign_core.evaluation.model import encode_texts

    sentences = listed(words, "words")
    if not sentences:
        raise BadInput("there are no words to embed")
    found: Floats = encode_texts(model.encoders, sentences).numpy()
    return found


@overload
def embed_pictures(model: Model, pictures: "torch.Tensor") -> "torch.Tensor": ...
@overload
def embed_pictures(model: Model, pictures: NDArray[Any]) -> Floats: ...
def embed_pictures(model: Model, pictures: "NDArray[Any] | torch.Tensor") -> "Floats | torch.Tensor":
    """Unit embeddings [N, E] of pictures [N, H, W, 3] in [0, 1], or in 0 ... 255 where they are bytes.

    A tensor gives a tensor, on the same device.

    >>> import opendlign_core as od
    >>> od.embed_pictures(od.load("package:mini"), np.zeros((1, 80, 80, 3), np.uint8)).shape
    (1, 64)
    """
    from opendlign_core.evaluation.objects import picture_embeddings

    return like(picture_embeddings(model.encoders, _pixels(pictures)), pictures)


def classify(model: Model, shapes: "Shape | Sequence[Shape]", labels: Sequence[str]) -> "list[Classification]":
    """How probable each label is for every shape.

    >>> import opendlign_core as od
    >>> (found,) = od.classify(od.load("package:mini"), od.toy("mug"), ["mug", "chair", "car"])
    >>> found.prediction
    'mug'

    Raises:
        BadInput: a shape cannot be projected, two labels are the same, or one text instead of a list.
    """
    from opendlign_core.evaluation.objects import classify as classify_samples

    return list(classify_samples(model.encoders, _seen(model, _several(shapes)), listed(labels, "labels")))


def index(model: Model, shapes: "Mapping[str, Shape]", path: str | Path) -> int:
    """Write the embeddings of named shapes, with a picture of each, for `search`; returns how many there are.

    >>> import tempfile
    >>> import opendlign_core as od
    >>> od.index(od.load("package:mini"), {"toys/mug": od.toy("mug")}, Path(tempfile.mkdtemp()) / "toys.parquet")
    1

    Raises:
        BadInput: there is no shape, one cannot be projected, or the name of the file ends otherwise.
    """
    from opendlign_core.evaluation.objects import build_index

    if Path(path).suffix != INDEX_SUFFIX:
        raise BadInput(f"{path}: an index is a Parquet file, name one that ends in {INDEX_SUFFIX}")
    if not shapes:
        raise BadInput("there is no shape to write an index of")
    return build_index(model.encoders, _seen(model, list(shapes.values()), list(shapes)), Path(path))


def search(
    model: Model,
    path: str | Path,
    words: str | None = None,
    *,
    picture: "NDArray[Any] | torch.Tensor | None" = None,
    shape: "Shape | None" = None,
    top: int = 10,
) -> "list[Hit]":
    """The shapes of an index that are nearest to words, a picture [H, W, 3] in [0, 1], both, or another shape.

    >>> import tempfile
    >>> import opendlign_core as od
    >>> model, path = od.load("package:mini"), Path(tempfile.mkdtemp()) / "toys.parquet"
    >>> _ = od.index(model, {label: od.toy(label) for label in ("mug", "chair", "car")}, path)
    >>> [hit.object_id for hit in od.search(model, path, "a mug", top=1)]
    ['mug']

    Raises:
        BadInput: nothing is asked for, there is no index, or it was made with another model.
    """
    from opendlign_core.evaluation.objects import query_embedding
    from opendlign_core.evaluation.objects import search as search_index

    if top < 1:
        raise BadInput(f"top={top}: ask for one hit at least")
    sought = None if shape is None else next(_seen(model, [shape]))
    pixels = None if picture is None else _pixels(as_array(picture, "a picture")[None])[0]
    return search_index(model.encoders, Path(path), query_embedding(model.encoders, words, pixels, sought), top)


def _pixels(pictures: object) -> Floats:
    """Pictures [N, H, W, 3] in [0, 1]."""
    pixels = as_array(pictures, "pictures")
    if pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise BadInput(f"pictures must be [N, H, W, 3], not {list(pixels.shape)}")
    return pixels.astype(np.float32) / np.float32(255 if pixels.dtype == np.uint8 else 1)


def _several(shapes: "Shape | Sequence[Shape]") -> "Sequence[Shape]":
    """One shape is a sequence of one; points [B, N, 3] are the shapes of a batch."""
    if isinstance(shapes, Mesh | PointCloud):
        return [shapes]
    if isinstance(shapes, Sequence):
        return shapes
    points = as_array(shapes, "a shape")
    return list(points) if points.ndim == 3 else [points]


def _seen(model: Model, shapes: "Sequence[Shape]", names: Sequence[str] = ()) -> Iterator[EvalSample]:
    """Shapes as the model sees them."""
    for number, shape in enumerate(shapes):
        points = sample(shape, model.seeing.points)
        yield EvalSample(names[number] if names else str(number), None, project(points, model.seeing.projection))
