"""One benchmark with every method, task and search on a stored chain: what is in it, and what a second one reuses."""

import hashlib
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from flows.stages import flow_of, received
from opendlign import show
from opendlign_core.evaluation import (
    FEW_SHOT,
    METHODS,
    RETRIEVAL,
    VIEWS,
    ZERO_SHOT,
    EvalExecution,
    EvalRecipe,
    EvaluationResults,
    packaged_labels,
    read_results,
)
from opendlign_core.evaluation.classification.counting import ZeroShotResult
from opendlign_core.projection import RECIPES
from opendlign_core.training import DepthAlignedCLIP
from storage.output import find_manifest, load_manifest
from storage.stores import open_store
from tasks.artifacts import published_keys
from tasks.evaluate import EVALUATE, fetch_file
from tasks.ports import Ref
from tasks.progress import ProgressState, StageStopped
from tasks.project import PROJECT
from tests.evaluation.conftest import single_thread  # noqa: F401
from tests.flows.planning import fingerprints

pytestmark = [pytest.mark.server, pytest.mark.timeout(300), pytest.mark.xdist_group("flows")]

CLASSES = ("car", "chair", "mug", "table")
SENTENCES = {name: [f"a {name}", f"the shape of a {name}", name.upper(), f"one {name} alone"] for name in CLASSES}
HEAD = {**METHODS["pointclip-v2"].model_dump(), "text": ("{}",)}
HONEST = {**HEAD, "name": "pointclip-v2-searched", "search": "train-split"}
SEEN = {**HEAD, "name": "pointclip-v2-seen", "search": "test-labels"}
MODELNET = packaged_labels("modelnet40")
METHODS_IN_ORDER = (
    "opendlign", "training-free", "contour-only", "aligned-only", "aligned-texts", "aligned-split",
    "clip-pointclip", "pointclip-v2", HONEST["name"], SEEN["name"],
)  # fmt: skip
OBJECTS, TRAINING, PAINTED = 8, 28, 5
"""Test and train objects of the tiny chain, and the test objects whose images passed the gate."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sentences") / "shapes.json"
    path.write_text(json.dumps(SENTENCES))
    return path


def recipe(library: Path, **changes: Any) -> EvalRecipe:
    values = {
        "datasets": [
            {
                "name": "shapes",
                "labels": CLASSES,
                "sentences_sha256": hashlib.sha256(library.read_bytes()).hexdigest(),
            },
            # The same objects among the classes of a published benchmark, which knows cups and no mugs.
            {"name": "ModelNet40", "labels": "modelnet40", "aliases": {"mug": "cup"}},
        ],
        "tasks": ["zero-shot", "few-shot", "retrieval", "views"],
        "methods": [*METHODS_IN_ORDER[:-2], HONEST, SEEN],
        "few_shot": {"shots": (1, 2), "seeds": (0, 1, 2), "iterations": 20},
        "search": {"levels": (0.5, 1.0), "fixed_views": 8, "validation_share": 0.4},
        "view_counts": (1, 4, 10),
        "bootstrap": {"samples": 50},
        "examples": 2,
        **changes,
    }
    return EvalRecipe.model_validate(values)


@dataclass(frozen=True)
class Judged:
    """A finished evaluation with its three files on this disk."""

    results: EvaluationResults
    objects: list[dict[str, Any]]
    report: str
    progress: list[ProgressState]

    def row(self, method: str, dataset: str = "shapes") -> ZeroShotResult:
        (found,) = (row for row in self.results.of(ZERO_SHOT) if (row.dataset, row.method) == (dataset, method))
        return found


def judge(store: Path, preset: str, given: EvalRecipe, library: Path, folder: Path, name: str = "judging") -> Judged:
    opened = open_store(store)
    execution, heard = EvalExecution(libraries=(str(library),)), list[ProgressState]()
    evaluate = flow_of(EVALUATE, heard.append)
    fingerprint = evaluate(str(store), **inputs(store, preset), recipe=given, execution=execution, preset=name)
    manifest = load_manifest(opened, "evaluate", fingerprint)
    files = {kind: fetch_file(opened, manifest, kind, folder / kind) for kind in ("results", "objects", "report")}
    rows = pq.read_table(files["objects"]).to_pylist()
    return Judged(read_results(files["results"]), rows, files["report"].read_text(), heard)


PROJECTIONS = ("opendlign", "pointclip", "pointclip-v2")


def inputs(store: Path, preset: str) -> dict[str, Any]:
    """The model of the tiny chain, with the depth maps of every projection that a method wants."""
    chain = fingerprints(store, preset)
    drawn = {name: PROJECT.identify(RECIPES[name], {"clouds": [Ref(chain["ingest"])]}) for name in PROJECTIONS[1:]}
    return {
        "model": chain["train"],
        "clouds": [chain["ingest"]],
        "depths": {"opendlign": [chain["project"]], **{name: [drawn[name].fingerprint] for name in drawn}},
        "aligned": chain["synthesize"],
    }


@pytest.fixture(scope="module")
def store(finished_store: Path, tiny_preset: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copied = Path(shutil.copytree(finished_store, tmp_path_factory.mktemp("judging") / "store"))
    clouds = fingerprints(copied, tiny_preset)["ingest"]
    for name in PROJECTIONS[1:]:
        flow_of(PROJECT)(str(copied), clouds, RECIPES[name])
    return copied


@pytest.fixture(scope="module")
def judged(store: Path, tiny_preset: str, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return judge(store, tiny_preset, recipe(library), library, tmp_path_factory.mktemp("judged"))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many pictures and sentences go through the model from now on; the model itself stays as it is."""
    counts: Counter[str] = Counter()
    for name in ("encode_image", "encode_both", "encode_text"):
        monkeypatch.setattr(DepthAlignedCLIP, name, counting(getattr(DepthAlignedCLIP, name), name, counts))
    return counts


def counting(encode: Callable[..., Any], name: str, counts: Counter[str]) -> Callable[..., Any]:
    def counted(model: DepthAlignedCLIP, inputs: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        counts["texts" if name == "encode_text" else "images"] += len(inputs)
        return encode(model, inputs, *arguments, **options)

    return counted


def test_every_method_is_judged_on_every_data_set(judged: Judged) -> None:
    rows = judged.results.of(ZERO_SHOT)
    assert [(row.dataset, row.method) for row in rows] == [
        (name, method) for name in ("shapes", "ModelNet40") for method in METHODS_IN_ORDER
    ]
    for row in rows:
        assert row.objects == OBJECTS
        assert row.left_out == 0
        assert sum(map(sum, row.confusion)) == row.objects == sum(entry.objects for entry in row.classes)
        assert row.top1.value <= row.top3.value <= row.top5.value
        assert row.top1.low is not None
        assert row.top1.high is not None
        assert row.top1.low <= row.top1.value <= row.top1.high
        assert [entry.name for entry in row.classes] == [*(CLASSES if row.dataset == "shapes" else MODELNET)]
    assert judged.row("opendlign").top5.value == 1.0, "four classes leave no room for a miss"
    assert judged.results.primary == "opendlign"
    assert {example.method for example in judged.results.examples} == {"opendlign"}


def test_aliases_lead_to_the_classes_of_the_benchmark(judged: Judged) -> None:
    counts = {entry.name: entry.objects for entry in judged.row("opendlign", "ModelNet40").classes if entry.objects}
    assert counts == {
        name.replace("mug", "cup"): entry.objects
        for name, entry in ((entry.name, entry) for entry in judged.row("opendlign").classes)
    }


def test_every_object_has_its_scores(judged: Judged) -> None:
    assert len(judged.objects) == OBJECTS * len(METHODS_IN_ORDER) * 2
    assert {len(row["scores"]) for row in judged.objects} == {len(CLASSES), len(MODELNET)}
    for found in judged.results.of(ZERO_SHOT):
        ranks = [
            row["rank"] for row in judged.objects if (row["dataset"], row["method"]) == (found.dataset, found.method)
        ]
        assert sum(rank == 0 for rank in ranks) / OBJECTS == pytest.approx(found.top1.value)


def test_the_honest_search_saw_the_train_split_and_the_other_is_marked(judged: Judged) -> None:
    marked = {row.method for row in judged.results.of(ZERO_SHOT) if row.searched_on_test}
    assert marked == {row.method for row in judged.results.of(VIEWS) if row.searched_on_test} == {SEEN["name"]}
    honest, seen = judged.row(HONEST["name"]).search, judged.row(SEEN["name"]).search
    assert honest is not None
    assert seen is not None
    assert (honest["on"], honest["objects"] + honest["held_out"]) == ("train-split", TRAINING)
    assert (seen["on"], seen["objects"], seen["held_out"]) == ("test-labels", OBJECTS, 0)
    assert len(seen["sentences"]) == len(CLASSES)
    assert seen["accuracy_after"] == pytest.approx(judged.row(SEEN["name"]).top1.value)
    assert seen["accuracy_after"] >= judged.row("pointclip-v2").top1.value or not seen["kept"]
    if not honest["kept"]:
        assert (set(honest["sentences"]), set(honest["view_weights"])) == (set(), {1.0})


def test_few_shot_is_done_once_for_methods_that_share_features(judged: Judged) -> None:
    rows = [row for row in judged.results.of(FEW_SHOT) if row.dataset == "shapes"]
    assert {row.method for row in rows} == {
        "opendlign", "training-free", "aligned-only", "clip-pointclip", "pointclip-v2"
    }  # fmt: skip
    assert all(len(row.accuracies) == 3 and 0 <= row.mean <= 1 and row.std >= 0 for row in rows)
    assert {row.shots for row in rows} == {1, 2}


def test_views_grow_to_as_many_as_the_projection_draws(judged: Judged) -> None:
    for method in METHODS_IN_ORDER:
        rows = [row for row in judged.results.of(VIEWS) if (row.dataset, row.method) == ("shapes", method)]
        assert [len(row.views) for row in rows] == ([1, 4] if method == "clip-pointclip" else [1, 4, 10])
        if method != "clip-pointclip":
            assert rows[-1].top1 == judged.row(method).top1.value


def test_retrieval_asks_in_four_ways(judged: Judged) -> None:
    rows = [row for row in judged.results.of(RETRIEVAL) if row.dataset == "shapes"]
    assert [row.query for row in rows] == ["text", "image", "shape", "text+image"]
    assert [row.queries for row in rows] == [len(CLASSES), PAINTED, OBJECTS, PAINTED]
    for row in rows:
        assert row.gallery == OBJECTS
        assert row.recall[1] <= row.recall[5] <= row.recall[10]
        assert 0 < row.mean_average_precision <= 1
    assert judged.results.notes == ()


def test_progress_counts_each_object_once_for_all_methods_that_see_its_pixels(judged: Judged) -> None:
    told = judged.progress
    assert {state.stage for state in told} == {"evaluate"}
    # Three ways to draw and normalise the views; the second data set holds the same objects.
    everything = 3 * (OBJECTS + TRAINING)
    assert [state.done for state in told if state.total] == [*range(everything + 1), everything]
    assert {state.total for state in told} == {0, everything}
    assert not told[-1].counts["remembered"]
    assert published_keys(["evaluate-progress"]) == {"evaluate-progress"}


def test_a_stopped_evaluation_encodes_no_further_batch(
    store: Path, tiny_preset: str, library: Path, encoded: Counter[str]
) -> None:
    def stop_after_three(state: ProgressState) -> None:
        if state.done == 3:
            raise StageStopped("enough")

    unseen = {**METHODS["opendlign"].model_dump(), "name": "unseen", "pixels": "imagenet"}
    given = recipe(library, methods=[unseen], tasks=["zero-shot"], precision="bfloat16")
    asked, one_by_one = inputs(store, tiny_preset), EvalExecution(image_batch=1)
    evaluate = flow_of(EVALUATE, stop_after_three)
    with pytest.raises(StageStopped):
        evaluate(str(store), **asked, recipe=given, execution=one_by_one, preset="stopped")
    assert 0 < encoded["images"] <= 3 * 10
    identity = EVALUATE.identify(given, received(EVALUATE, {**asked}))
    assert find_manifest(open_store(store), "evaluate", identity.fingerprint) is None


def test_the_terminal_marks_what_was_searched_on_test_labels(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.StringIO()
    monkeypatch.setattr(show, "console", Console(file=printed, width=200))
    show.print_results(judged.results)
    table = printed.getvalue().split("Few-shot")[0]
    marked = [line for line in table.splitlines() if "searched on test labels" in line]
    assert len(marked) == 2, "one row on each data set"
    assert all(SEEN["name"] in line for line in marked)


def test_the_report_holds_every_table(judged: Judged) -> None:
    sections = re.findall(r'<section id="([^"]+)"', judged.report)
    assert sections == [
        "results", "classes", "few-shot", "views", "retrieval", "examples", "training", "images", "cost", "provenance"
    ]  # fmt: skip
    table = judged.report.split('id="zero-shot-table"')[1].split("</table>")[0]
    assert table.count('class="measured"') == len(METHODS_IN_ORDER)
    assert table.count("searched on test labels") == 1
    assert "82.6 / 96.2 / 98.4" in table, "published numbers stand beside the measured ones"
    costs = judged.report.split('id="cost-table"')[1].split("</table>")[0]
    stages = ["ingest", *["project"] * len(PROJECTIONS), "synthesize", "train", "evaluate"]
    assert re.findall(r"<tr><td>(\w+)</td>", costs) == stages
    assert judged.report.count("data:image/webp") >= 8


def test_another_benchmark_on_the_same_data_encodes_nothing(
    judged: Judged, store: Path, tiny_preset: str, library: Path, encoded: Counter[str], tmp_path: Path
) -> None:
    fewer = recipe(library, methods=["training-free", "aligned-texts", "pointclip-v2"], bootstrap={"samples": 60})
    again = judge(store, tiny_preset, fewer, library, tmp_path)
    assert encoded == Counter()
    ended = again.progress[-1]
    assert ended.counts == {"remembered": ended.total}
    assert ended.done == ended.total == 2 * (OBJECTS + TRAINING)
    assert again.row("training-free").confusion == judged.row("training-free").confusion
    assert again.row("aligned-texts", "ModelNet40").confusion == judged.row("aligned-texts", "ModelNet40").confusion


def test_damaged_features_are_computed_anew(
    judged: Judged, store: Path, tiny_preset: str, library: Path, encoded: Counter[str], tmp_path: Path
) -> None:
    entries = [info.key for info in open_store(store).list("features") if info.key.count("/") == 1]
    original = {key: (store / key).read_bytes() for key in entries}
    for place, key in enumerate(entries):
        damage = (b"", b"no archive", original[key][:200], original[key][:-90] + bytes(90))[place % 4]
        (store / key).chmod(0o644)
        (store / key).write_bytes(damage)
    again = judge(store, tiny_preset, recipe(library, bootstrap={"samples": 70}), library, tmp_path)
    assert encoded["images"] > 0
    assert encoded["texts"] > 0
    assert again.results.of(ZERO_SHOT)[0].confusion == judged.results.of(ZERO_SHOT)[0].confusion
    assert len(again.results.of(ZERO_SHOT)) == len(judged.results.of(ZERO_SHOT))
    assert {key: (store / key).read_bytes() for key in entries} == original


def test_images_are_encoded_for_image_queries_alone(
    store: Path, tiny_preset: str, library: Path, encoded: Counter[str], tmp_path: Path
) -> None:
    shapes = recipe(library).datasets[:1]
    words = {"datasets": shapes, "methods": ["opendlign"], "precision": "bfloat16"}
    judge(store, tiny_preset, recipe(library, tasks=["zero-shot"], **words), library, tmp_path, "plain")
    assert encoded["images"] == 10 * OBJECTS, "each depth map through one branch"
    encoded.clear()
    judge(store, tiny_preset, recipe(library, tasks=["retrieval"], **words), library, tmp_path, "asked")
    assert encoded["images"] == 10 * PAINTED, "the painted images; the depth maps are remembered"
