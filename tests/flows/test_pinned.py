"""What a store already holds stays valid: the fingerprints of the shipped presets, and the bytes of a small run."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from flows.plan import identify_graph
from flows.preset import load_preset, preset_names
from flows.sources import ListedSource
from storage.inventory import outputs
from storage.output import load_manifest
from storage.stores import open_store
from tasks.ingest import INGEST
from tasks.listing import SourceListing

PINNED: dict[str, Any] = json.loads(Path(__file__).with_name("pinned.json").read_text())
NOTHING = SourceListing((), "0" * 20)
"""Stands for data that is not on this machine."""


@pytest.mark.parametrize("name", preset_names())
def test_the_fingerprints_of_shipped_presets_stay(name: str) -> None:
    graph = load_preset(name).graph
    sources = {
        node.name: ListedSource(node.recipe, NOTHING if node.recipe.source.url else INGEST.listed(node.recipe))
        for node in graph.of(INGEST)
    }
    found = {title: identity.fingerprint for title, identity in identify_graph(graph, sources).items()}
    pinned = {title: value for title, value in PINNED["fingerprints"][name].items() if not title.startswith("tokens")}
    assert {title: found[title] for title in pinned} == pinned


@pytest.mark.server
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("flows")
def test_the_bytes_of_a_small_run_stay(finished_store: Path) -> None:
    pinned = PINNED["run"]
    here = (torch.__version__, torch.backends.cpu.get_cpu_capability())
    if here != (pinned["torch"], pinned["cpu"]):
        pytest.skip(f"pinned with torch {pinned['torch']} on {pinned['cpu']}; here are {here}")
    store = open_store(finished_store)
    found = {output.folder: load_manifest(store, output.stage, output.fingerprint) for output in outputs(store)}
    assert set(pinned["files"]) <= set(found)
    for folder, digests in pinned["files"].items():
        for place, stored in enumerate(found[folder].every_file()):
            pinned_digest = digests.get(f"{place}-{stored.name}", "")
            assert stored.sha256.startswith(pinned_digest), f"{folder}: {stored.file}"
