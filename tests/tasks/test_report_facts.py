"""What the first screen of a report says of the data."""

from opendlign_core.evaluation import EvaluationResults
from storage.records import Manifest, RejectedSample, ShardRecord, StoredFile
from tasks.report_facts import rejections, report_title, source_facts
from tasks.samples import EvaluatedOutputs
from tests.evaluation.report_case import filled_report

SHARD = StoredFile(name="shard", file="s.tar", bytes=1, sha256="0")


def manifest(stage: str, *rejected: tuple[str, str]) -> Manifest:
    turned = tuple(RejectedSample(id=name, reason=reason) for name, reason in rejected)
    record = ShardRecord(index=0, shard=SHARD, samples=3, rejected=turned)
    recipe = {"source": {"adapter": "folder", "name": ""}}
    splits = {"splits": {"train": 2, "test": 1}}
    return Manifest(
        stage=stage, version=1, fingerprint="1", recipe=recipe, upstream={}, shards=(record,), summary=splits
    )


def source() -> EvaluatedOutputs:
    clouds = manifest("ingest", ("a", "has 3 points"), ("b", "has 5 points"), ("c", "is no mesh"))
    return EvaluatedOutputs(clouds, {"opendlign": manifest("project", ("d", "is flat"))})


def test_reasons_that_differ_in_numbers_alone_count_together() -> None:
    told = [(one.stage, one.count, one.reason, one.example) for one in rejections([source()])]
    assert told == [
        ("ingest", 2, "has 3 points", "a"),
        ("ingest", 1, "is no mesh", "c"),
        ("project", 1, "is flat", "d"),
    ]


def test_sources_tell_their_splits() -> None:
    (facts,) = source_facts([source()])
    assert (facts.name, facts.splits) == ("folder", (("test", 1), ("train", 2)))


def test_published_sets_name_the_report_and_any_other_is_told_by_source_and_classes() -> None:
    results = filled_report().results
    assert report_title(results, [source()]) == "ModelNet40 and OmniObject3D"
    (row, *_) = results.rows["zero-shot"]
    own = EvaluationResults(
        model="m", model_fingerprint="f", rows={"zero-shot": (row.model_copy(update={"dataset": "my shapes"}),)}
    )
    assert report_title(own, [source()]) == "My shapes from folder: airplane, bathtub, bed and 37 more"
    parts = results.rows["segmentation"][0].model_copy(update={"dataset": "my parts"})
    own = EvaluationResults(model="m", model_fingerprint="f", rows={"segmentation": (parts,)})
    assert report_title(own, [source()]) == "My parts from folder"
