"""The things in the scenes of a store, as `index` and `search` see them: what is in a proposed box is an object."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from opendlign.naming import Namer
from storage.errors import MissingOutput
from storage.fingerprint import digest
from storage.inventory import outputs
from storage.lineage import lineage
from storage.output import find_manifest
from storage.records import Manifest
from storage.store import Store
from tasks.stored_maps import maps_of, wanted_samples

if TYPE_CHECKING:
    from opendlign_core.evaluation import EvalSample


class SceneGallery:
    """The boxes of all proposers of a store that have depth maps as the model reads them.

    True boxes have no say where anything was proposed. Raises `MissingOutput` where there are none.
    """

    def __init__(self, store: Store, namer: Namer) -> None:
        self._store = store
        by_proposer = {_proposer(propose): maps for maps, propose in _pairs(store, namer)}
        guessed = {proposer: maps for proposer, maps in by_proposer.items() if "ground-truth" not in proposer}
        self._maps = tuple((guessed or by_proposer).values())
        if not self._maps:
            raise MissingOutput(
                f"{self._store.url} holds no boxes of scenes as this model sees them; run a preset that proposes some "
                "first, such as `opendlign run --preset mini-scenes`, or name with --preset one whose maps are there"
            )
        contents = [maps.content_digest for maps in self._maps]
        self.key = digest([namer.model.fingerprint, namer.model.weights, contents])
        """Names what an index of the boxes depends on."""

    @property
    def count(self) -> int:
        """How many boxes there are, in all splits."""
        return sum(maps.samples for maps in self._maps)

    def samples(self, split: str | None) -> Iterator["EvalSample"]:
        """What is in the boxes, called by scene and number, with the place of the box for a label."""
        from opendlign_core.evaluation import DatasetSpec, EvalSample

        for maps in self._maps:
            for sample in wanted_samples(self._store, maps, DatasetSpec(name="index"), split):
                found = maps_of(sample)
                yield EvalSample(found.meta.object_id, _place(found.meta.as_dict()), found.maps())


def _pairs(store: Store, namer: Namer) -> Iterator[tuple[Manifest, Manifest]]:
    """Finished depth maps of the model's projection with the proposals that they show."""
    wanted = namer.projection.model_dump(mode="json")
    for output in outputs(store):
        maps = find_manifest(store, "project", output.fingerprint) if output.stage == "project" else None
        if maps is not None and namer.projection.model_validate(maps.recipe).model_dump(mode="json") == wanted:
            yield from ((maps, one) for one in lineage(store, maps) if one.stage == "propose")


def _proposer(propose: Manifest) -> str:
    """The same for several draws of one proposer in the same scenes."""
    return f"{sorted(propose.upstream.items())} {propose.recipe['proposer']}"


def _place(meta: dict[str, Any]) -> str:
    box = meta["box"]
    return f"{_numbers(box['size'], ' x ')} m at {_numbers(box['centre'], ' ')}"


def _numbers(values: Sequence[float], between: str) -> str:
    return between.join(f"{value:.2f}" for value in values)
