"""What people should know of a model or a data set before they use it, written from manifests alone."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from opendlign_core.clip.spec import PACKAGE, packaged_folder
from storage.fetch import Fetcher
from storage.inventory import outputs
from storage.lineage import lineage
from storage.output import find_manifest
from storage.records import Manifest
from storage.store import Store
from tasks.catalog import CATALOG
from tasks.report import read_results

UNSTATED = "not stated"
MADE_ELSEWHERE = "Its store does not say: it was made elsewhere."
SHOWN = 10


def model_card(store: Store, manifest: Manifest) -> str:
    """Markdown on a trained model: what it was made from, how, under which licences, and how well it does."""
    made_from = list(lineage(store, manifest))
    clip = manifest.recipe["clip"]
    tags = ["clip", "3d", "opendlign"]
    front = {"license": "other", "library_name": "open_clip", "tags": tags, "base_model": str(clip["model"])}
    return "\n".join(
        [
            _front(front),
            f"# {clip['model']} with a depth branch",
            "",
            f"Depth maps of 3D shapes beside words and pictures: {clip['model']} (`{clip['weights']}`) stays as it "
            f"is, and the attention of copies of its last blocks ({manifest.recipe['blocks']}) was trained to embed "
            f"depth maps like images painted on them. Written from `{manifest.folder}`.",
            "",
            "## Trained on",
            "",
            *_trained_on(store, made_from),
            "",
            *clip_data(clip),
            "",
            "## Licence",
            "",
            "None is chosen yet (`license: other`). What was trained follows from the CLIP and the objects above, "
            "under the licences that stand there.",
            "",
            "## How",
            "",
            *_recipe(manifest, made_from),
            "",
            "## How well",
            "",
            *_numbers(store, manifest),
            "",
        ]
    )


def dataset_card(store: Store, manifest: Manifest) -> str:
    """Markdown on the shards of an output: what is in them, where it comes from, and how to read them."""
    made_from = list(lineage(store, manifest))
    front = {"tags": ["3d", manifest.stage, "webdataset"], "size_categories": [_size(manifest.samples)]}
    labels: Mapping[str, int] = manifest.summary.get("labels", {})
    return "\n".join(
        [
            _front(front),
            f"# {manifest.samples:,} objects, {manifest.stage}",
            "",
            f"{len(manifest.shards)} WebDataset shards of `{manifest.folder}`, {_megabytes(manifest)} MB; "
            f"{manifest.rejected} objects were left out.",
            "",
            *_table(("split", "objects"), manifest.summary.get("splits", {}).items()),
            "",
            f"{len(labels)} labels; most frequent: {_most(labels)}.",
            "",
            "## Where the shapes come from",
            "",
            *_sources(store, [manifest, *made_from]),
            "",
            "## How it was made",
            "",
            *_recipe(manifest, made_from),
            "",
            "## Left out",
            "",
            *_rejected(manifest),
            "",
            "## Reading it",
            "",
            f"`opendlign urls {manifest.folder}` lists the shards; `opendlign_core.samples.open_webdataset`, "
            "`webdataset` and `datasets.load_dataset('webdataset', ...)` read them.",
            "",
        ]
    )


def _front(fields: Mapping[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(dict(fields), sort_keys=False)}---\n"


def _sources(store: Store, made_from: Iterable[Manifest]) -> list[str]:
    """Every source with its objects and the licences that it states."""
    rows = []
    for clouds in (one for one in made_from if one.stage == "ingest"):
        kept = _catalog(store, clouds)
        rows.append((_name(clouds), len(kept), _licences(kept), f"`{clouds.folder}`"))
    return _table(("source", "objects", "licences", "output"), rows) if rows else [MADE_ELSEWHERE]


def _trained_on(store: Store, made_from: Sequence[Manifest]) -> list[str]:
    """Every source with the objects that training read, apart from those that it only watched or never saw."""
    lost = {sample.id for one in made_from for record in one.shards for sample in record.rejected}
    rows = []
    for clouds in (one for one in made_from if one.stage == "ingest"):
        kept = [row for row in _catalog(store, clouds) if row["object_id"] not in lost]
        splits = Counter(row["split"] for row in kept)
        others = len(kept) - splits["train"] - splits["val"]
        named = _licences(row for row in kept if row["split"] == "train")
        rows.append((_name(clouds), splits["train"], splits["val"], others, named, f"`{clouds.folder}`"))
    columns = ("source", "trained on", "watched meanwhile", "not seen", "licences of what was trained on", "output")
    return _table(columns, rows) if rows else [MADE_ELSEWHERE]


def clip_data(clip: Mapping[str, Any]) -> list[str]:
    """What the CLIP itself was trained on, in lines of Markdown: a packaged one has a card that says so.

    >>> clip_data({"model": "tiny", "weights": "random"})
    ['The CLIP tiny itself has random weights.']
    """
    if clip["weights"] == "random":
        return [f"The CLIP {clip['model']} itself has random weights."]
    if not clip["weights"].startswith(PACKAGE):
        return [f"What {clip['model']} itself was trained on is said where its weights come from."]
    card = (packaged_folder(clip["weights"].removeprefix(PACKAGE)) / "MODEL_CARD.md").read_text(encoding="utf-8")
    sections = dict(section.split("\n", 1) for section in card.split("\n## ")[1:])
    data, licence = (sections[name].strip() for name in ("Data", "Licence"))
    return [f"The CLIP {clip['model']} itself, from its card:", "", data, "", f"Its licence: {licence}"]


def _catalog(store: Store, clouds: Manifest) -> list[dict[str, Any]]:
    """The objects that became clouds."""
    with Fetcher(store) as fetcher:
        return [row for row in CATALOG.read(fetcher.path(clouds, clouds.file("catalog"))) if not row["rejected"]]


def _licences(rows: Iterable[Mapping[str, Any]]) -> str:
    counted = Counter(row["licence"] or UNSTATED for row in rows)
    return ", ".join(f"{licence} ({count:,})" for licence, count in counted.most_common())


def _name(clouds: Manifest) -> str:
    source = clouds.recipe["source"]
    return str(source["name"] or source["adapter"])


def _recipe(manifest: Manifest, made_from: Iterable[Manifest]) -> list[str]:
    """The settings of every stage that people ask after first; the manifests hold all of them."""
    rows = []
    for one in (*reversed(list(made_from)), manifest):
        plain = {name: value for name, value in one.recipe.items() if isinstance(value, str | int | float | bool)}
        rows.append((one.stage, ", ".join(f"{name} {value}" for name, value in plain.items()), f"`{one.folder}`"))
    return _table(("stage", "settings", "output"), rows)


def _numbers(store: Store, manifest: Manifest) -> list[str]:
    rows = list(_headlines(store, manifest))
    if not rows:
        return ["No evaluation of it lies in the store."]
    columns = ("data set", "method", "measure", "percent", "interval", "judged", "output")
    return [*_table(columns, rows), "", "Of one training run; intervals are bootstrapped over the judged objects."]


def _headlines(store: Store, manifest: Manifest) -> Iterator[tuple[Any, ...]]:
    """The headline of every data set and method in every evaluation of a model."""
    from opendlign_core.evaluation import all_headlines

    for output in outputs(store):
        if output.stage != "evaluate":
            continue
        found = find_manifest(store, output.stage, output.fingerprint)
        if found is None or found.upstream.get("train") != manifest.fingerprint:
            continue
        for benchmark, one in all_headlines(read_results(store, found)):
            interval = "" if one.low is None or one.high is None else f"{100 * one.low:.1f} to {100 * one.high:.1f}"
            marked = f"{one.remark} {one.mark}".strip()
            share = f"{100 * one.value:.1f}"
            yield one.dataset, one.method, benchmark.accepted_as, share, interval, marked, f"`{found.folder}`"


def _rejected(manifest: Manifest) -> list[str]:
    reasons = Counter(sample.reason for record in manifest.shards for sample in record.rejected)
    if not reasons:
        return ["Nothing was."]
    return _table(("reason", "objects"), reasons.most_common(SHOWN))


def _most(labels: Mapping[str, int]) -> str:
    ranked = sorted(labels.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{label or UNSTATED} ({count})" for label, count in ranked[:SHOWN]) or "none"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """A table in Markdown; bars in what comes from data do not end a cell."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return [f"| {' | '.join(' '.join(str(cell).replace('|', '/').split()) for cell in line)} |" for line in lines]


def _megabytes(manifest: Manifest) -> str:
    return f"{sum(stored.bytes for stored in manifest.every_file()) / 1e6:,.1f}"


def _size(samples: int) -> str:
    """As the hub counts: `1K<n<10K`."""
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if samples < limit:
            return name
    return "n>1M"
