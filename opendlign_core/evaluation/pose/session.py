"""One data set of photos: what every encoder's probes tell of poses, and what is known without any."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.cases import Case
from opendlign_core.evaluation.estimates import estimate
from opendlign_core.evaluation.findings import Findings, MeasuredObjects
from opendlign_core.evaluation.lab import counted
from opendlign_core.evaluation.pose.album import Album, Photographed, batches
from opendlign_core.evaluation.pose.choices import PoseOptions, weights_digest
from opendlign_core.evaluation.pose.comparing.recipe import ComparisonRecipe
from opendlign_core.evaluation.pose.comparing.search import Comparable, poses_in
from opendlign_core.evaluation.pose.counting import Kind, PoseResult, aware_score, pose_numbers
from opendlign_core.evaluation.pose.encoders import PoseTeller, Probed, ProbedFolder, ProbedTower
from opendlign_core.evaluation.pose.probing.choices import Head
from opendlign_core.evaluation.pose.probing.features import blocks_read
from opendlign_core.evaluation.pose.probing.training import best_head, told_by, train_bank
from opendlign_core.evaluation.specs import Branch
from opendlign_core.pose import BINS, Floats, binned, centres, pose_error
from opendlign_core.samples import PosedPhoto

COMMONEST, COMPARED = "commonest pose", "render and compare"
WHOLE = 1 << 32


@dataclass(frozen=True)
class Told:
    """Pose errors [N] of one way of telling, for photos of these ids and categories."""

    method: str
    kind: Kind
    errors: Floats
    ids: tuple[str, ...]
    categories: tuple[str, ...]
    remark: str = ""
    named: tuple[str, ...] = ()
    """The categories that were told, where they were asked for too."""


@dataclass
class Session:
    """Judges what a recipe asks for; what does not depend on the method is judged with the first one."""

    case: Case
    options: PoseOptions

    def run(self) -> Findings[PoseResult]:
        """Probe every encoder and count.

        Raises:
            BadInput: there are no photos to learn from or to judge.
        """
        found = list(self._told())
        rows, measured = tuple(map(self._row, found)), tuple(map(self._measured, found))
        return Findings(rows, objects=measured, notes=tuple(self._notes()))

    def _told(self) -> Iterator[Told]:
        branch: Branch = "depth" if self.case.method.branches == "depth" else "base"
        yield from self._probed(ProbedTower(self.case.lab.model, branch), self.case.method.name)
        if not self._first:
            return
        for spec in self.options.encoders:
            folder = ProbedFolder(spec.place, weights_digest(spec), self.case.lab.model.device, spec.masked)
            yield from self._probed(folder, folder.name)
        for name, network in self.case.lab.source.networks().items():
            yield self._told_by(name, network)
        if self.options.compare is not None:
            yield self._compared(self.options.compare)

    @cached_property
    def _first(self) -> bool:
        return self.case.method == self.case.recipe.methods[0]

    def _probed(self, probed: Probed, name: str) -> Iterator[Told]:
        spec = self.options.probe
        blocks = blocks_read(spec.readings(), probed.depth)
        train = self._learnt_from(self._album(probed, blocks, self.case.dataset.train_split, mirrored=spec.flip))
        test = self._album(probed, blocks, self.case.dataset.split, mirrored=False)
        with self.case.lab.timed("probes"):
            held = held_out(train, spec.val_share) if spec.chosen_on == "val" else np.zeros(len(train), bool)
            bank = train_bank(train.where(~held).photos, spec)
            judged = train.where(held) if spec.chosen_on == "val" else test
            best = best_head(told_by(bank, judged.photos, spec))
            errors = told_by(bank, test.photos, spec)[best]
        yield Told(name, "probe", errors, test.ids, test.categories, _in_words(spec.heads()[best]))
        if self._first and isinstance(probed, ProbedTower):
            errors = commonest_errors(train, test)
            yield Told(COMMONEST, "baseline", errors, test.ids, test.categories, "of its category, else of all")

    def _told_by(self, name: str, network: PoseTeller) -> Told:
        """What a trained network tells of the photos, a batch at a time."""
        ids: list[str] = []
        categories: list[str] = []
        named: list[str] = []
        errors: list[Floats] = []
        for batch in batches(self._judged_photos()):
            told, classes = network.tell(torch.from_numpy(np.stack([photo.square() for photo in batch])))
            errors.append(pose_error(told, np.stack([photo.angles() for photo in batch])))
            ids += [photo.meta.object_id for photo in batch]
            categories += [photo.meta.label or "" for photo in batch]
            named += classes
        if not errors:
            raise BadInput(f"{self.case.dataset.name}: no photos with poses to judge {name} on")
        return Told(name, "network", np.concatenate(errors), tuple(ids), tuple(categories), named=tuple(named))

    def _compared(self, recipe: ComparisonRecipe) -> Told:
        """What views of the CADs tell of some of the photos, each compared by itself."""
        lab, dataset = self.case.lab, self.case.dataset
        wanted = self._spread()
        photos = (one for one in lab.source.photos(dataset, dataset.split) if one.meta.object_id in wanted)
        with lab.timed("comparing"):
            found = [
                (
                    photo.meta.object_id,
                    photo.meta.label or "",
                    _best_error(photo, lab.source.comparable(photo), recipe),
                )
                for photo in photos
            ]
        if not found:
            raise BadInput(f"{dataset.name}: no photo with a CAD to compare (options.pose.compare)")
        ids, categories, errors = zip(*found, strict=True)
        words = f"silhouettes of {len(recipe.elevations) * recipe.azimuths} views of the given CAD"
        return Told(COMPARED, "compare", np.array(errors), ids, categories, words)

    def _spread(self) -> set[str]:
        """Ids of the photos that are compared: as many as asked for, evenly spread."""
        photos = self.case.lab.source.photos(self.case.dataset, self.case.dataset.split)
        ids = [p.meta.object_id for p in photos if p.meta.cad and p.meta.label not in self.options.left_out]
        places = np.unique(np.linspace(0, len(ids) - 1, self.options.compared).astype(int)) if ids else ()
        return {ids[place] for place in places}

    def _judged_photos(self) -> Iterator[PosedPhoto]:
        lab, dataset = self.case.lab, self.case.dataset
        for photo in lab.source.photos(dataset, dataset.split):
            if photo.meta.label not in self.options.left_out:
                yield photo

    def _album(self, probed: Probed, blocks: tuple[int, ...], split: str | None, mirrored: bool) -> Album:
        lab, dataset = self.case.lab, self.case.dataset
        photos = counted(lab.source.photos(dataset, split), lab.advance)
        reading = Photographed(probed, blocks, mirrored)
        with lab.timed("features"):
            album = reading.album(photos, lab.source.identity_of_photos(dataset, split), lab.cache)
        return album.where(~np.isin(album.categories, self.options.left_out))

    def _learnt_from(self, album: Album) -> Album:
        if not self.options.known:
            return album
        known = np.isin(album.categories, self.options.known)
        if not known.any():
            there = ", ".join(sorted(set(album.categories)))
            raise BadInput(f"no photo to learn from is of a known category; options.pose.known names none of: {there}")
        return album.where(known)

    def _row(self, told: Told) -> PoseResult:
        options, spec = self.options, self.case.recipe.bootstrap
        numbers = pose_numbers(told.errors, told.categories, options.known, options.groups, spec)
        right = np.array(told.categories) == np.array(told.named) if told.named else None
        return PoseResult.model_validate(
            {
                "dataset": self.case.dataset.name,
                "method": told.method,
                "kind": told.kind,
                "remark": told.remark,
                "named": None if right is None else estimate(right.astype(float), spec),
                "aware": None if right is None else aware_score(told.errors, right, spec),
                "chosen_on_reported": told.kind == "probe" and options.probe.chosen_on == "reported",
                **numbers,
            }
        )

    def _measured(self, told: Told) -> MeasuredObjects:
        """How near each pose is: 1 where it is right, 0 half a turn away."""
        return MeasuredObjects(
            dataset=self.case.dataset.name,
            method=told.method,
            object_ids=told.ids,
            labels=told.categories,
            values=1 - told.errors / np.pi,
        )

    def _notes(self) -> Iterator[str]:
        name = self.case.dataset.name
        if not self.options.known:
            yield f"{name}: no list of known categories was given, so nothing is told of novel ones."
        if not self.options.groups:
            yield f"{name}: no groups of categories were given, so there are no rows of meta-classes."


def _best_error(photo: PosedPhoto, views: Comparable, recipe: ComparisonRecipe) -> float:
    return float(pose_error(poses_in(views, recipe)[0].angles, photo.angles()))


def held_out(album: Album, share: float) -> NDArray[np.bool_]:  # [N]
    """A part of the shapes, with all their photos; drawn by their names, so that more photos change no draw."""
    drawn = {thing: zlib.crc32(thing.encode()) / WHOLE for thing in set(album.things)}
    held = np.array([drawn[thing] < share for thing in album.things])
    return held if held.any() and not held.all() else np.arange(len(album)) % max(2, round(1 / share)) == 0


def commonest_errors(train: Album, test: Album) -> Floats:  # [N]
    """Errors of the commonest training pose of each photo's category, of all training photos where it has none."""
    angles, categories = train.photos.angles, np.array(train.categories)
    poses = {name: _commonest(angles[categories == name]) for name in set(train.categories)}
    other = _commonest(angles)
    return pose_error(np.stack([poses.get(name, other) for name in test.categories]), test.photos.angles)


def _commonest(angles: Floats) -> Floats:  # [N, 3] -> [3]
    counts = [np.bincount(column, minlength=BINS) for column in binned(angles).T]
    return centres(np.array([int(count.argmax()) for count in counts]))


def _in_words(head: Head) -> str:
    blocks = head.reading.blocks.replace("_", " ")
    return f"{blocks}{', patches' if head.reading.pooled else ''}, rate {head.rate:g}"
