"""Outputs know what bytes they were made from."""

from pathlib import Path

import pytest

from storage.collect import delete_all
from storage.inputs import changed_inputs
from storage.local import LocalStore
from storage.output import StageOutput, load_manifest, plan_shards
from storage.records import Manifest
from storage.store import Store
from tests.storage.making import identity, make_output


def made_from(store: Store, tar: Path, *inputs: Manifest, each: Manifest | None = None) -> Manifest:
    """An output of two shards whose upstreams are `inputs`; the second shard saw `each` of the first of them."""
    names = {manifest.stage: manifest.fingerprint for manifest in inputs}
    output, plan = StageOutput(store, identity(0, "synthesize", **names)), plan_shards(2, 1)
    output.commit_shard(0, tar, 1, inputs=inputs)
    output.commit_shard(1, tar, 1, inputs=inputs if each is None else (each, *inputs[1:]))
    return output.commit_manifest(plan, inputs=inputs)


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    path = tmp_path / "a.tar"
    path.write_bytes(b"")
    return path


def remade(store: Store, manifest: Manifest, content: bytes, scratch: Path) -> Manifest:
    """Repair one shard and build it anew, as a machine that rounds otherwise would."""
    for name in ("manifest.json", "shard-000001.json", manifest.shards[1].shard.file):
        store.delete(f"{manifest.folder}/{name}")
    path = scratch / "again.tar"
    path.write_bytes(content)
    output, plan = StageOutput(store, identity(0, manifest.stage)), plan_shards(20, 4)
    output.commit_shard(1, path, manifest.shards[1].samples)
    return output.commit_manifest(plan)


def test_an_output_notices_other_bytes_below_it(store: Store, tar: Path, tmp_path: Path) -> None:
    project, other = make_output(store, identity(0, "project")), make_output(store, identity(0, "other"))
    made = made_from(store, tar, project, other)
    assert made == load_manifest(store, made.stage, made.fingerprint)
    assert changed_inputs(store, made) == []
    again = remade(store, project, b"other bytes", tmp_path)
    assert again.content_digest != project.content_digest
    assert changed_inputs(store, made) == [project.folder]
    assert changed_inputs(store, made, {project.folder: project}) == []
    assert changed_inputs(store, made, {project.folder: again}) == [project.folder]


def test_the_same_bytes_made_again_are_no_change(store: Store, tar: Path) -> None:
    project = make_output(store, identity(0, "project"))
    made = made_from(store, tar, project)
    delete_all(store, list(store.list(project.folder)))
    assert changed_inputs(store, made) == [], "of an input that is not finished nobody can tell"
    make_output(store, identity(0, "project"))
    assert changed_inputs(store, made) == []


def test_shards_made_from_different_bytes_show(store: Store, tar: Path) -> None:
    """The upstream was repaired between two shards, so that the output is made from neither."""
    project = make_output(store, identity(0, "project"))
    older = project.model_copy(update={"shards": project.shards[:1]})
    made = made_from(store, tar, project, each=older)
    assert changed_inputs(store, made) == [project.folder]


def test_older_manifests_say_nothing_of_their_inputs(store: Store) -> None:
    ingest = make_output(store)
    manifest = make_output(store, identity(0, "project", ingest=ingest.fingerprint))
    assert b'"inputs"' not in store.read(f"{manifest.folder}/manifest.json"), "and keep their bytes"
    assert (manifest.inputs, changed_inputs(store, manifest)) == ({}, [])


def test_what_the_caller_has_read_is_not_read_again(tmp_path: Path) -> None:
    """A plan looks at every output of a preset; manifests of ten thousand shards take a while to read."""
    store = LocalStore(tmp_path)
    project = make_output(store, identity(0, "project"))
    made = made_from(store, Path(__file__), project)
    assert changed_inputs(LocalStore(tmp_path / "elsewhere"), made, {project.folder: project}) == []
