"""Who may write to a store may not run code where it is read: a planted result record is never looked at."""

import base64
import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest

from flows.plan import identify_graph
from flows.preset import Preset
from flows.sources import list_sources
from storage.local import LocalStore
from tests.integration.harness import Orchestra, run_module
from tests.integration.stores import records

SHARDS = 5


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._proof,)


def record(payload: Payload, where: Path) -> str:
    """What Prefect 3.8 keeps of a task's result; its reader obeys the serializer that the record names."""
    metadata = {
        "storage_key": str(where),
        "expiration": None,
        "serializer": {"type": "pickle", "picklelib": "pickle", "picklelib_version": None},
        "prefect_version": "3.8.8",
        "storage_block_id": None,
    }
    result = base64.encodebytes(pickle.dumps(payload)).decode()
    return json.dumps({"metadata": metadata, "result": result})


def plant(store: LocalStore, folder: str, proof: Path) -> list[Path]:
    """Records under the keys that earlier versions gave the results of a stage's tasks."""
    spans = ["whole", *(f"{index:06d}-{index:06d}" for index in range(SHARDS))]
    planted = [store.path("prefect-results") / folder / f"{span}@{store.url}" for span in spans]
    for path in planted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record(Payload(proof), path), encoding="utf-8")
    return planted


def test_the_payload_would_run(tmp_path: Path) -> None:
    """Else the tests below would show nothing."""
    pickle.loads(pickle.dumps(Payload(tmp_path / "proof")))
    assert (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    "told",
    [{}, {"PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true", "PREFECT_TASKS_DEFAULT_PERSIST_RESULT": "true"}],
    ids=["as shipped", "by settings of an earlier version"],
)
def test_a_planted_record_is_not_read(
    told: Mapping[str, str], orchestra: Orchestra, tiny: Preset, preset_file: Path, tmp_path: Path
) -> None:
    store, proof = LocalStore(tmp_path / "store"), tmp_path / "proof"
    (identity,) = identify_graph(tiny.graph.until("ingest"), list_sources(tiny)).values()
    planted = plant(store, identity.folder, proof)
    results = {"PREFECT_LOCAL_STORAGE_PATH": str(store.path("prefect-results"))}
    words = ("opendlign", "ingest", "--preset", str(preset_file), "--store", store.url)
    run_module(*words, environment={**orchestra.environment, **results, **told})
    assert not proof.exists()
    assert len(records(store, "ingest")) == SHARDS
    assert all(path.exists() for path in planted)
