"""The whole chain on a tiny preset: it finishes, repeats as nothing, and reruns exactly what a change touches."""

import json
import shutil
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactCollectionFilter,
    ArtifactCollectionFilterKey,
    ArtifactFilter,
    ArtifactFilterKey,
)

from flows.regenerate import regenerate
from opendlign_core.evaluation import BENCHMARKS
from opendlign_core.evaluation.detection.benchmark import DETECTION
from opendlign_core.evaluation.pose.benchmark import POSE
from opendlign_core.evaluation.segmentation.benchmark import SEGMENTATION
from storage.output import load_manifest
from storage.reader import SampleReader
from storage.stores import open_store
from storage.upkeep import verify_store
from tasks.align import ALIGN
from tasks.dlign import DLIGN
from tasks.guard import RegressionFound
from tasks.posenet import POSENET
from tasks.propose import PROPOSE
from tasks.registry import STAGES
from tasks.summary import artifact_keys
from tests.flows.planning import fingerprints, planned
from tests.threads import torch_threads

pytestmark = [pytest.mark.server, pytest.mark.timeout(600), pytest.mark.xdist_group("flows")]


@pytest.fixture
def store(finished_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_store, tmp_path / "store"))


def states(store: Path, preset: str, changes: list[str] | None = None) -> dict[str, str]:
    return {status.stage: status.state for status in planned(store, preset, changes)}


def files(store: Path) -> dict[str, int]:
    """All that a store holds beside the notes of its runs."""
    kept = (info.key for info in open_store(store).list() if not info.key.startswith("runs/"))
    return {key: (store / key).stat().st_mtime_ns for key in kept}


def test_every_stage_is_finished_and_sound(finished_store: Path, tiny_preset: str) -> None:
    assert set(states(finished_store, tiny_preset).values()) == {"done"}
    assert verify_store(open_store(finished_store)).sound


def test_aligned_samples_carry_everything_training_needs(finished_store: Path, tiny_preset: str) -> None:
    opened, aligned = open_store(finished_store), fingerprints(finished_store, tiny_preset)["synthesize"]
    with SampleReader(opened, load_manifest(opened, "synthesize", aligned)) as reader:
        sample = next(iter(reader))
    meta = json.loads(sample.fields["json"])
    images = [f"{view:02d}.webp" for view in range(10)]
    assert sorted(sample.fields) == sorted(["depth.npy", "json", *images])
    assert len(meta["prompts"]) == len(meta["seeds"]) == 10
    assert {"object_id", "source", "split", "label", "caption", "up_axis", "unit", "licence", "points"} <= set(meta)


def test_a_second_run_writes_nothing(store: Path, tiny_preset: str) -> None:
    before = files(store)
    regenerate(tiny_preset, str(store))
    assert files(store) == before


def test_a_training_field_touches_training_and_evaluation_alone(store: Path, tiny_preset: str) -> None:
    change = ["train.epochs=1"]
    expected = {"ingest": "done", "project": "done", "synthesize": "done", "train": "stale", "evaluate": "stale"}
    assert states(store, tiny_preset, change) == expected
    before = files(store)
    regenerate(tiny_preset, str(store), change)
    new = {key.split("/")[0] for key in files(store) if key not in before}
    assert new <= {"train", "evaluate", "timings", "features", "accepted", "checkpoints"}
    assert {"train", "evaluate"} <= new
    assert {key: before[key] for key in before if key.startswith(("ingest", "project", "synthesize", "tokens"))} == {
        key: time
        for key, time in files(store).items()
        if key.startswith(("ingest", "project", "synthesize", "tokens"))
    }


def test_a_token_cache_of_other_bytes_is_made_anew(store: Path, tiny_preset: str) -> None:
    """As after the repair of a shard that a GPU painted: the cache is done, and of images that are no more."""
    aligned = f"synthesize/{fingerprints(store, tiny_preset)['synthesize']}"
    sound = {path: json.loads(path.read_text()) for path in store.glob("tokens/*/manifest.json")}
    for path, manifest in sound.items():
        path.chmod(0o644)
        path.write_text(json.dumps({**manifest, "inputs": {aligned: "0" * 16}}))
    before = {key: time for key, time in files(store).items() if key.startswith("tokens")}
    with torch_threads(2):  # as the store was made with: the last bits depend on it
        regenerate(tiny_preset, str(store), ["train.epochs=1"], until="train")
    assert {path: json.loads(path.read_text()) for path in sound} == sound
    after = files(store)
    assert before
    assert all(after[key] > time for key, time in before.items())


def test_results_of_other_settings_are_no_regression(store: Path, tiny_preset: str) -> None:
    accepted = store / "accepted" / "tiny.json"
    verdict = json.loads(accepted.read_text())
    assert min(verdict["top1"].values()) < 0.9
    accepted.write_text(json.dumps({**verdict, "top1": dict.fromkeys(verdict["top1"], 1.0)}))
    regenerate(tiny_preset, str(store), ["evaluate.bootstrap.samples=40"])
    for manifest in store.glob("evaluate/*/manifest.json"):
        manifest.unlink()
    with pytest.raises(RegressionFound, match="fell from 100"):
        regenerate(tiny_preset, str(store))
    with pytest.raises(RegressionFound, match="fell from 100"):
        regenerate(tiny_preset, str(store))  # finished, and no better for being asked for twice
    regenerate(tiny_preset, str(store), ["execution.evaluate.allowed_drop=1"])
    regenerate(tiny_preset, str(store))


def test_a_lost_shard_is_rebuilt_alone_and_is_the_same(store: Path, tiny_preset: str) -> None:
    opened = open_store(store)
    damaged = sorted(info.key for info in opened.list("project") if info.key.endswith(".tar"))[1]
    original = opened.read(damaged)
    (store / damaged).chmod(0o644)
    (store / damaged).write_bytes(original[:-10] + b"0123456789")
    assert not verify_store(opened).sound
    verify_store(opened, repair=True)
    before = files(store)
    regenerate(tiny_preset, str(store))
    assert opened.read(damaged) == original
    rebuilt = {key for key in files(store) if key.startswith("project") and key not in before}
    assert {Path(key).name.split(".")[0] for key in rebuilt} == {"shard-000001", "manifest"}
    assert verify_store(opened).sound


def test_two_stores_hold_the_same_bytes(finished_store: Path, tiny_preset: str, tmp_path: Path) -> None:
    regenerate(tiny_preset, str(tmp_path / "again"), until="synthesize")
    mine, theirs = open_store(tmp_path / "again"), open_store(finished_store)
    for stage in ("ingest", "project", "synthesize"):
        keys = [info.key for info in mine.list(stage)]
        assert keys == [info.key for info in theirs.list(stage)]
        assert all(mine.read(key) == theirs.read(key) for key in keys)


def test_a_shorter_chain_says_how_far_it_came(prefect_server: None, tiny_preset: str, tmp_path: Path) -> None:
    found = regenerate(tiny_preset, str(tmp_path / "store"), until="project")
    assert list(found) == ["ingest procedural", "project procedural"]
    text = newest("regenerate-summary")
    assert "All that was asked for is up to date, as far as project procedural." in text
    assert "Report:" not in text


def test_the_summary_names_the_report(store: Path, tiny_preset: str) -> None:
    regenerate(tiny_preset, str(store))
    text = newest("regenerate-summary")
    assert "Nothing to do" in text
    report = next(line for line in text.splitlines() if line.startswith("Report: ")).split("`")[1]
    assert Path(report).read_text().startswith("<!doctype html>")


def newest(key: str) -> str:
    wanted = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        (found,) = client.read_latest_artifacts(artifact_filter=wanted)
    return str(found.data)


def test_runs_are_named_and_tagged_by_preset_stage_and_fingerprint(finished_store: Path, tiny_preset: str) -> None:
    with get_client(sync_client=True) as client:
        runs = {run.name: run.tags for run in client.read_flow_runs()}
    for status in planned(finished_store, tiny_preset):
        tags = runs[f"tiny {status.stage} {status.identity.fingerprint[:8]}"]
        assert {"opendlign", "tiny", status.stage} <= set(tags)


def test_the_ui_has_every_stages_artifacts(store: Path, tiny_preset: str) -> None:
    # Parts, scenes and photos have presets and tests of their own.
    others, idle = (SEGMENTATION, DETECTION, POSE), (DLIGN, PROPOSE, ALIGN, POSENET)
    tasks = [one.name for one in BENCHMARKS if one not in others]
    few = ["evaluate.few_shot.shots=[1]", "evaluate.few_shot.seeds=[0]"]
    regenerate(tiny_preset, str(store), [f"evaluate.tasks=[{','.join(tasks)}]", *few])
    made = [stage for stage in STAGES if stage not in idle]
    unseen = {f"evaluate-{name}" for benchmark in others for name in benchmark.shows}
    wanted = {key for stage in made for key in artifact_keys(stage)} - unseen | {"regenerate-summary"}
    with get_client(sync_client=True) as client:
        keep = ArtifactFilter(key=ArtifactFilterKey(any_=sorted(wanted)))
        found = {artifact.key for artifact in client.read_artifacts(artifact_filter=keep)}
    assert found == wanted
