"""Exact nearest neighbours among the embeddings of an index file, by cosine.

 `EmbeddingIndex` keeps the embeddings in memory
(a million of 512 numbers are 2 GB); `search_file` streams them and needs memory for one row group. Both give the same
hits.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.features import Floats
from opendlign_core.evaluation.index_file import blocks, fingerprint_of, open_index

_BLOCK = 262144
"""Rows scored at once: a megabyte of scores, which the processor's cache still holds while the best are picked."""
_SLICE = 8192


@dataclass(frozen=True)
class Hit:
    """One answer, best first; `score` is the cosine."""

    object_id: str
    label: str | None
    score: float
    preview: bytes = b""


class EmbeddingIndex:
    """Embeddings in memory, names and pictures fetched from the file for the hits alone."""

    def __init__(self, path: Path) -> None:
        """Load the embeddings of `path` into one array.

        Raises:
            BadInput: the file is not an index.
        """
        self.path = path
        with open_index(path) as file:
            self.fingerprint = fingerprint_of(file)
            width = file.schema_arrow.field("embedding").type.list_size
            self.embeddings: Floats = np.empty((file.metadata.num_rows, width), np.float32)
            for start, block in blocks(file):
                self.embeddings[start : start + len(block)] = block

    def __len__(self) -> int:
        return len(self.embeddings)

    def search(self, queries: Floats, top: int = 10) -> list[list[Hit]]:
        """The `top` nearest objects of every unit query [Q, E], best first."""
        best = _Best(np.atleast_2d(queries), top)
        for start in range(0, len(self.embeddings), _BLOCK):
            best.offer(start, self.embeddings[start : start + _BLOCK])
        return _hits(self.path, best)

    def check_model(self, fingerprint: str) -> None:
        """Refuse queries of another model than the one that built the index."""
        _check_model(self.path, self.fingerprint, fingerprint)


def search_file(path: Path, queries: Floats, top: int = 10, fingerprint: str | None = None) -> list[list[Hit]]:
    """Like `EmbeddingIndex.search`, reading the file row group by row group.

    Raises:
        BadInput: the file is not an index, or not of the model with this fingerprint.
    """
    best = _Best(np.atleast_2d(queries), top)
    with open_index(path) as file:
        if fingerprint is not None:
            _check_model(path, fingerprint_of(file), fingerprint)
        for start, block in blocks(file):
            best.offer(start, block.copy())  # Arrow lends its pages read-only, torch wants to own them
    return _hits(path, best)


class _Best:
    """The best rows so far of every query, equal scores in row order."""

    def __init__(self, queries: Floats, top: int) -> None:
        self.queries, self.top = torch.from_numpy(np.ascontiguousarray(queries, np.float32)), top
        self.scores = torch.empty(len(queries), 0)
        self.rows = torch.empty(len(queries), 0, dtype=torch.int64)

    def offer(self, start: int, block: Floats) -> None:
        """Score a block [R, E] whose first row is `start`."""
        if block.shape[1] != self.queries.shape[1]:
            raise BadInput(f"queries have {self.queries.shape[1]} numbers, the index has {block.shape[1]}")
        scores = _cosines(self.queries, torch.from_numpy(block))  # [Q, R]
        found, places = scores.topk(min(self.top, scores.shape[1]), dim=1)
        merged, rows = torch.cat([self.scores, found], 1), torch.cat([self.rows, places + start], 1)
        order = torch.from_numpy(np.lexsort((rows.numpy(), -merged.numpy()), axis=1)[:, : self.top].copy())
        self.scores, self.rows = merged.gather(1, order), rows.gather(1, order)


def _cosines(queries: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
    """[Q, E] x [R, E] -> [Q, R]. A single query goes through in slices: so it runs nearer to the speed of reading."""
    if len(queries) > 1:
        return queries @ block.T
    scores = torch.empty(len(block))
    for start in range(0, len(block), _SLICE):
        torch.mv(block[start : start + _SLICE], queries[0], out=scores[start : start + _SLICE])
    return scores[None]


def _check_model(path: Path, built_with: str, asked_with: str) -> None:
    if built_with != asked_with:
        raise BadInput(
            f"{path} was built with model {built_with or 'unknown'}, the query comes from {asked_with}; "
            "build the index anew with this model"
        )


def _hits(path: Path, best: _Best) -> list[list[Hit]]:
    """Names and pictures of the winning rows; only the row groups that hold one are read."""
    wanted = sorted({int(row) for row in best.rows.flatten()})
    details: dict[int, tuple[str, str | None, bytes]] = {}
    with open_index(path) as file:
        start = 0
        for group in range(file.metadata.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            inside = [row - start for row in wanted if start <= row < start + size]
            if inside:
                names = file.read_row_group(group, columns=["object_id", "label", "preview"]).take(inside).to_pylist()
                found = zip(inside, names, strict=True)
                details |= {start + row: (n["object_id"], n["label"], n["preview"]) for row, n in found}
            start += size
    return [
        [_hit(details[int(row)], float(score)) for row, score in zip(rows, scores, strict=True)]
        for rows, scores in zip(best.rows, best.scores, strict=True)
    ]


def _hit(details: tuple[str, str | None, bytes], score: float) -> Hit:
    object_id, label, preview = details
    return Hit(object_id, label, score, preview)
