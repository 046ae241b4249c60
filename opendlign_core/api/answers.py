"""What a model says of shapes: embeddings, names and the nearest others."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opendlign_core.api.maps import project
from opendlign_core.api.model import Model
from opendlign_core.api.shapes import Floats, Shape, sample
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvalSample
from opendlign_core.ingestion.cloud import Mesh, PointCloud

if TYPE_CHECKING:
    import torch

    from opendlign_core.evaluation import Classification, Hit


def embed(model: Model, shapes: "Shape | Sequence[Shape]") -> Floats:
    """Unit embeddings [N, E] of shapes, each the mean over its views; comparable with those of words and pictures.

    >>> import opendlign_core as od
    >>> od.embed(od.load("package:mini"), [od.toy("mug"), od.toy("chair")]).shape
    (2, 64)

    Raises:
        BadInput: a shape cannot be projected.
    """
    from opendlign_core.evaluation.objects import shape_embeddings

    return shape_embeddings(model.encoders, _seen(model, _several(shapes)))


def embed_words(model: Model, words: Sequence[str]) -> Floats:
    """Unit embeddings [N, E] of sentences, taken as they are written.

    >>> import opendlign_core as od
    >>> od.embed_words(od.load("package:mini"), ["a red mug"]).shape
    (1, 64)
    """
    from opendlign_core.evaluation.model import encode_texts

    found: Floats = encode_texts(model.encoders, words).numpy()
    return found


def embed_pictures(model: Model, pictures: "NDArray[Any] | torch.Tensor") -> Floats:
    """Unit embeddings [N, E] of pictures [N, H, W, 3] in [0, 1], or in 0 ... 255 where they are bytes.

    >>> import opendlign_core as od
    >>> od.embed_pictures(od.load("package:mini"), np.zeros((1, 80, 80, 3), np.uint8)).shape
    (1, 64)
    """
    from opendlign_core.evaluation.objects import picture_embeddings

    pixels = np.asarray(pictures)
    if pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise BadInput(f"pictures must be [N, H, W, 3], not {list(pixels.shape)}")
    scale = np.float32(255 if pixels.dtype == np.uint8 else 1)
    return picture_embeddings(model.encoders, pixels.astype(np.float32) / scale)


def classify(model: Model, shapes: "Shape | Sequence[Shape]", labels: Sequence[str]) -> "list[Classification]":
    """How probable each label is for every shape.

    >>> import opendlign_core as od
    >>> (found,) = od.classify(od.load("package:mini"), od.toy("mug"), ["mug", "chair", "car"])
    >>> found.prediction
    'mug'

    Raises:
        BadInput: a shape cannot be projected, or two labels are the same.
    """
    from opendlign_core.evaluation.objects import classify as classify_samples

    return list(classify_samples(model.encoders, _seen(model, _several(shapes)), labels))


def index(model: Model, shapes: "Mapping[str, Shape]", path: str | Path) -> int:
    """Write the embeddings of named shapes, with a picture of each, for `search`; returns how many there are.

    >>> import tempfile
    >>> import opendlign_core as od
    >>> od.index(od.load("package:mini"), {"toys/mug": od.toy("mug")}, Path(tempfile.mkdtemp()) / "toys.parquet")
    1
    """
    from opendlign_core.evaluation.objects import build_index

    return build_index(model.encoders, _seen(model, list(shapes.values()), list(shapes)), Path(path))


def search(
    model: Model,
    path: str | Path,
    words: str | None = None,
    *,
    picture: Floats | None = None,
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
        BadInput: nothing is asked for, or the index was made with another model.
    """
    from opendlign_core.evaluation.objects import query_embedding
    from opendlign_core.evaluation.objects import search as search_index

    sought = None if shape is None else next(_seen(model, [shape]))
    return search_index(model.encoders, Path(path), query_embedding(model.encoders, words, picture, sought), top)


def _several(shapes: "Shape | Sequence[Shape]") -> "Sequence[Shape]":
    """One shape is a sequence of one; points [B, N, 3] are the shapes of a batch."""
    if isinstance(shapes, Mesh | PointCloud):
        return [shapes]
    if isinstance(shapes, Sequence):
        return shapes
    return [shapes] if shapes.ndim == 2 else list(shapes)


def _seen(model: Model, shapes: "Sequence[Shape]", names: Sequence[str] = ()) -> Iterator[EvalSample]:
    """Shapes as the model sees them."""
    for number, shape in enumerate(shapes):
        points = sample(shape, model.seeing.points)
        yield EvalSample(names[number] if names else str(number), None, project(points, model.seeing.projection))
