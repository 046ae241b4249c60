"""What people should know of a model or a data set before they use it, written from manifests alone."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from storage.fetch import Fetcher
from storage.inventory import outputs
from storage.lineage import lineage
from storage.output import find_manifest
from storage.records import Manifest
from storage.store import Store
from tasks.catalog import CATALOG
from tasks.report import read_results

UNSTATED = "not stated"
SHOWN = 10


def model_card(store: Store, manifest: Manifest) -> str:
    """Markdown on a trained model: what it was made from, how, under which licences, and how well it does."""
    made_from = list(lineage(store, manifest))
    clip = manifest.recipe["clip"]
    front = {"library_name": "open_clip", "tags": ["clip", "3d", "opendlign"], "base_model": str(clip["model"])}
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
            *_sources(store, made_from),
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
        source = clouds.recipe["source"]
        with Fetcher(store) as fetcher:
            kept = [row for row in CATALOG.read(fetcher.path(clouds, clouds.file("catalog"))) if not row["rejected"]]
        licences = Counter(row["licence"] or UNSTATED for row in kept)
        named = ", ".join(f"{licence} ({count:,})" for licence, count in licences.most_common())
        rows.append((source["name"] or source["adapter"], len(kept), named, f"`{clouds.folder}`"))
    none = ["Its store does not say: it was made elsewhere."]
    return _table(("source", "objects", "licences", "output"), rows) if rows else none


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
