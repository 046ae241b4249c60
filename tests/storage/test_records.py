"""The documents of a store: what they say, byte by byte, and what they refuse."""

from typing import Any

import pytest
from pydantic import ValidationError

from storage.errors import ConflictingOutput, MissingOutput
from storage.records import (
    Manifest,
    RejectedSample,
    ShardRecord,
    StoredFile,
    inputs_of,
    join_inputs,
    merge_summaries,
    record_name,
)


def stored(name: str, digit: str = "a") -> StoredFile:
    return StoredFile(name=name, file=f"{name}.{digit * 12}.bin", bytes=3, sha256=digit * 64)


RECORD = ShardRecord(index=7, shard=stored("shard"), attachments=(stored("notes"), stored("more")), samples=2)
MANIFEST = Manifest(
    stage="ingest",
    version=1,
    fingerprint="f" * 20,
    recipe={"seed": 0},
    upstream={},
    shards=(RECORD,),
    files=(stored("table"), stored("extra")),
    samples=2,
)


def test_a_record_has_one_spelling() -> None:
    """Records that workers put at the same time must be told apart by their content alone."""
    assert RECORD.model_copy(update={"attachments": ()}).to_bytes() == (
        b'{\n "index": 7,\n "shard": {\n  "name": "shard",\n  "file": "shard.aaaaaaaaaaaa.bin",\n  "bytes": 3,\n'
        b'  "sha256": "'
        + b"a" * 64
        + b'"\n },\n "attachments": [],\n "samples": 2,\n "rejected": [],\n "summary": {}\n}\n'
    )


def test_documents_read_back() -> None:
    full = RECORD.model_copy(
        update={
            "rejected": (RejectedSample(id="a", reason="\u00fc"),),
            "summary": {"splits": {"train": 2}, "scale": 1.5},
            "inputs": {"project/x": "0" * 20},
        }
    )
    assert ShardRecord.model_validate_json(full.to_bytes()) == full
    assert b'"inputs"' in full.to_bytes()
    assert Manifest.model_validate_json(MANIFEST.to_bytes()) == MANIFEST


def test_a_manifest_that_says_little_holds_nothing() -> None:
    bare = Manifest(stage="a", version=1, fingerprint="b", recipe={}, upstream={})
    assert (bare.samples, bare.rejected, bare.shards, bare.files, bare.summary, bare.inputs) == (0, 0, (), (), {}, {})


def test_documents_do_not_change_and_hold_nothing_else() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RECORD.samples = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        StoredFile.model_validate({**stored("a").model_dump(), "place": "here"})


def test_names_of_records_sort() -> None:
    assert (RECORD.name, record_name(0), record_name(1_234_567)) == (
        "shard-000007.json",
        "shard-000000.json",
        "shard-1234567.json",
    )


def test_files_are_found_by_their_role() -> None:
    assert MANIFEST.file("extra") == stored("extra")
    assert MANIFEST.file("table") == stored("table")
    with pytest.raises(MissingOutput, match=r"^ingest/f{20} holds no 'shard', only \['table', 'extra'\]$"):
        MANIFEST.file("shard")
    assert [file.name for file in MANIFEST.every_file()] == ["shard", "notes", "more", "table", "extra"]
    assert [file.name for file in RECORD.files] == ["shard", "notes", "more"]


def test_the_content_digest_follows_every_file() -> None:
    other = [
        MANIFEST.model_copy(update={"files": (stored("table"),)}),
        MANIFEST.model_copy(update={"files": (stored("table"), stored("extra", "b"))}),
        MANIFEST.model_copy(update={"shards": (RECORD.model_copy(update={"shard": stored("shard", "b")}),)}),
    ]
    digests = {manifest.content_digest for manifest in (MANIFEST, *other)}
    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {20}
    same = MANIFEST.model_copy(update={"summary": {"n": 1}, "inputs": {"x/y": "z"}})
    assert same.content_digest == MANIFEST.content_digest


def test_inputs_join_by_folder() -> None:
    assert inputs_of([MANIFEST]) == {f"ingest/{'f' * 20}": MANIFEST.content_digest}
    assert join_inputs([]) == {}
    joined = join_inputs([{"b/1": "x", "a/1": "y"}, {"b/1": "x"}, {"a/1": "z"}, {"a/1": "z"}])
    assert list(joined.items()) == [("a/1", "several"), ("b/1", "x")]
    assert join_inputs([{"a/1": "x"}, {"a/1": "y"}, {"a/1": "x"}]) == {"a/1": "several"}


def test_summaries_add_up_leaf_by_leaf() -> None:
    parts: list[dict[str, Any]] = [
        {"z": 1, "deep": {"a": 1, "b": 0.5}, "how": "cpu", "exact": True, "sizes": [1, 2]},
        {"z": 2, "deep": {"a": 2, "c": 4}, "how": "cpu", "exact": True, "sizes": [1, 2], "late": None},
    ]
    merged = merge_summaries(parts)
    assert merged == {
        "deep": {"a": 3, "b": 0.5, "c": 4},
        "exact": True,
        "how": "cpu",
        "late": None,
        "sizes": [1, 2],
        "z": 3,
    }
    assert list(merged) == sorted(merged)
    assert merged["exact"] is True
    assert merge_summaries([]) == {}


@pytest.mark.parametrize(
    ("left", "right"), [("cpu", "gpu"), (True, False), (1, "1"), ("1", 1), ({"a": 1}, 1), (1, {"a": 1})]
)
def test_what_cannot_be_added_must_agree(left: Any, right: Any) -> None:
    with pytest.raises(
        ConflictingOutput, match=r"^shards disagree on 'deep': .* and .*; build all of them by the same"
    ):
        merge_summaries([{"in": {"deep": left}}, {"in": {"deep": right}}])
