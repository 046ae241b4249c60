"""What ScanNet's annotators marked: groups of segments, by the rules of VoteNet's preparation."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opendlign_core.ingestion.cloud import Parts
from opendlign_core.ingestion.labels.scenes import SCANNET_NYU40
from opendlign_core.ingestion.safety import parsing, read_bounded, require


@dataclass(frozen=True)
class Group:
    """What was marked as one thing."""

    number: int
    """Counted from 1."""
    label: str
    segments: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Annotation:
    """The segment of every point, the groups, and the number among NYU's forty of every label."""

    segments: NDArray[np.int64]  # [N]
    groups: Sequence[Group]
    nyu40: Mapping[str, int]

    def __post_init__(self) -> None:
        there = np.unique(self.segments)
        for group in self.groups:
            require(group.label in self.nyu40, f"has a thing labelled {group.label!r}, which the list of labels lacks")
            absent = np.setdiff1d(group.segments, there)[:1].tolist()
            require(not absent, f"has the thing {group.label!r} of the segment {absent}, which no vertex is in")

    @classmethod
    def read(cls, aggregation: Path, segments: Path, table: Path) -> "Annotation":
        with parsing(aggregation.name):
            groups = [
                Group(int(one["objectId"]) + 1, str(one["label"]), tuple(map(int, one["segments"])))
                for one in json.loads(read_bounded(aggregation))["segGroups"]
            ]
        with parsing(segments.name):
            segment_of = np.array(json.loads(read_bounded(segments))["segIndices"], np.int64)
        with parsing(table.name):
            return cls(segment_of, groups, _nyu40(table))

    @cached_property
    def instances(self) -> Parts:  # [N]
        """The number of the last group, in the file's order, that holds each point; 0 for none."""
        found = np.zeros(len(self.segments), np.int32)
        for group in self.groups:
            found[self._within(group)] = group.number
        return found

    @cached_property
    def semantics(self) -> Parts:  # [N]
        """The label's number of each point; of labels that share a segment the one that came up last."""
        found = np.zeros(len(self.segments), np.int32)
        for label in dict.fromkeys(group.label for group in self.groups):
            for group in (one for one in self.groups if one.label == label):
                found[self._within(group)] = self.nyu40[label]
        return found

    def things(self, every: bool) -> dict[int, str]:
        """Numbers of the groups with points, in order, and what these are called.

        They are those of the benchmark's 18 classes, or every one by its own label. A thing is of the class that its
        first segment has in the end, which another label may have taken over.
        """
        by_number = {group.number: group for group in self.groups if group.segments}
        seen = [by_number[number] for number in sorted(by_number) if (self.instances == number).any()]
        if every:
            return {group.number: group.label for group in seen}
        classes = {group.number: int(self.semantics[self._first(group)]) for group in seen}
        return {number: SCANNET_NYU40[one] for number, one in classes.items() if one in SCANNET_NYU40}

    def _within(self, group: Group) -> NDArray[np.bool_]:  # [N]
        return np.isin(self.segments, group.segments)

    def _first(self, group: Group) -> int:
        return int((self.segments == group.segments[0]).argmax())


def _nyu40(table: Path) -> dict[str, int]:
    text = read_bounded(table).decode("utf-8-sig", errors="replace")
    rows = csv.DictReader(io.StringIO(text), delimiter="\t")
    return {row["raw_category"]: int(row["nyu40id"]) for row in rows if row["nyu40id"]}
