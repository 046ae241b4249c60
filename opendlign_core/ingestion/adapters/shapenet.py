"""ShapeNet: the ShapeNetCore tree, and the OpenShape and ULIP clouds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from opendlign_core.articles import article
from opendlign_core.ingestion.adapters.listing import Listing, rows_of, stem, warn_of_gaps
from opendlign_core.ingestion.adapters.spec import Adapter, Found
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.labels import SHAPENET_SYNSETS, plain_label
from opendlign_core.ingestion.recipe import SourceSpec

LICENCE = "ShapeNet: research use only"


@dataclass(frozen=True)
class Taxonomy:
    """Names of synsets; the table of the 55 classes fills in where `taxonomy.json` is missing."""

    names: dict[str, list[str]] = field(default_factory=dict)

    @staticmethod
    def of(listing: Listing) -> Taxonomy:
        key = listing.find("taxonomy.json")
        if key is None:
            return Taxonomy()
        with rows_of(key):
            rows = listing.json(key)
            return Taxonomy({row["synsetId"]: [plain_label(n) for n in row["name"].split(",")] for row in rows})

    def label(self, synset: str) -> str:
        """The class name: the common one of the 55 classes, else the first of the taxonomy, else the synset."""
        return SHAPENET_SYNSETS.get(synset) or next(iter(self.names.get(synset, ())), synset)

    def caption(self, synset: str, finer: str = "") -> str:
        """`a jet, a kind of airplane` where a sub-synset is known, else every name of the class."""
        label, exact = self.label(synset), next(iter(self.names.get(finer, ())), "")
        if exact and finer != synset and exact != label:
            return f"{article(exact)}, a kind of {label}"
        others = [name for name in self.names.get(synset, ()) if name != label]
        return article(label) + (f", also called {' or '.join(others)}" if others else "")


def _core(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing = Listing(files)
    taxonomy, official = Taxonomy.of(listing), _official_splits(listing)
    tree = r"(?P<synset>\d{8})/(?P<model>[^/]+)/(?:models/model_normalized|models/model|model)\.obj"
    for key, found in listing.match(tree):
        synset, model = found["synset"], found["model"]
        split, finer = official.get(model, ("train", ""))
        caption = taxonomy.caption(synset, finer)
        yield Found(f"{synset}-{model}", split, taxonomy.label(synset), key, caption=caption)


def _official_splits(listing: Listing) -> dict[str, tuple[str, str]]:
    """Model -> (split, sub-synset) of the challenge's `all.csv`, where it is there."""
    key = listing.find("all.csv")
    if key is None:
        return {}
    with rows_of(key):
        return {row["modelId"]: (row["split"], row.get("subSynsetId", "").zfill(8)) for row in listing.rows(key)}


def _openshape(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing = Listing(files)
    taxonomy = Taxonomy.of(listing)
    for key, found in listing.match(r"(?P<synset>\d{8})/(?P<model>[^/]+)\.npy"):
        synset = found["synset"]
        name = f"{synset}-{found['model']}"
        yield Found(name, "train", taxonomy.label(synset), key, caption=taxonomy.caption(synset))


def _ulip(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing = Listing(files)
    taxonomy = Taxonomy.of(listing)
    present = {stem(key): key for key, _ in listing.match(r"\d{8}-[^/]+\.npy")}
    for split, names in _ulip_lists(listing, sorted(present)):
        warn_of_gaps(len(names), sum(name in present for name in names), f"ShapeNet-55 {split}")
        for name in names:
            synset = name[:8]
            if name in present:
                yield Found(name, split, taxonomy.label(synset), present[name], caption=taxonomy.caption(synset))


def _ulip_lists(listing: Listing, everything: list[str]) -> Iterator[tuple[str, list[str]]]:
    lists = [(split, key) for split in ("train", "test") if (key := listing.find(f"{split}.txt"))]
    if not lists:
        yield "train", everything
    for split, key in lists:
        yield split, [stem(line) for line in listing.lines(key)]


SHAPENET: Adapter = Adapter(
    name="shapenet",
    title="ShapeNetCore",
    layout="<synset>/<model>/models/model_normalized.obj (or model.obj), with taxonomy.json and all.csv beside them",
    split="`all.csv`, else all `train`",
    label="synset, by its common name",
    caption="names of taxonomy.json, the sub-synset of all.csv where known",
    find=_core,
    up_axis="y",
    licence=LICENCE,
)

SHAPENET_OPENSHAPE: Adapter = Adapter(
    name="shapenet-openshape",
    title="ShapeNet in OpenShape's dictionaries",
    layout="<synset>/<model>.npy (a dictionary with xyz and rgb), taxonomy.json optional",
    split="all `train`",
    label="synset, by its common name",
    caption="names of taxonomy.json",
    find=_openshape,
    up_axis="z",
    licence=LICENCE,
)

SHAPENET_ULIP: Adapter = Adapter(
    name="shapenet-ulip",
    title="ShapeNet-55 as ULIP ships it",
    layout="<synset>-<model>.npy, with train.txt, test.txt and taxonomy.json",
    split="list file, else all `train`",
    label="synset, by its common name",
    caption="names of taxonomy.json",
    find=_ulip,
    up_axis="y",
    licence=LICENCE,
)
