"""A Prefect server for the flow tests of this session, and a chain small enough to run whole in seconds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.testing.utilities import prefect_test_harness

from tests.threads import torch_threads

TINY: dict[str, Any] = {
    "ingest": {
        "source": {
            "adapter": "procedural",
            "options": {"objects": "40", "seed": "7", "categories": "chair,table,mug,car"},
        },
        "points": 256,
        "shard_size": 16,
    },
    "project": {"base": "opendlign", "size": 32},
    "synthesize": {"shard_size": 16},
    "train": {
        "clip": {
            "model": "tiny",
            "weights": "random",
            "image_size": 32,
            "architecture": {
                "embed_dim": 16,
                "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16},
                "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
            },
        },
        "epochs": 2,
        "batch_size": 8,
    },
    "evaluate": {
        "datasets": [{"name": "procedural"}],
        "methods": ["training-free", "opendlign"],
        "bootstrap": {"samples": 50},
        "examples": 2,
    },
}


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A temporary server and database; started once, because it takes ten seconds and more."""
    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture(scope="session")
def tiny_preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("preset") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return str(path)


@pytest.fixture(scope="session")
def finished_store(prefect_server: None, tiny_preset: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the tiny chain has run once; tests that change it must copy it first."""
    from flows.regenerate import regenerate

    store = tmp_path_factory.mktemp("chain") / "store"
    # Sums of features depend on how many threads share them, and pinned bytes are those of two.
    with torch_threads(2):
        regenerate(tiny_preset, str(store))
    return store
