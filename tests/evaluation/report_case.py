"""A filled `ReportData` for tests, drawn from a seed: two data sets, two methods, every section."""

import numpy as np

from opendlign_core.evaluation.classification.counting import examples_of, summarise
from opendlign_core.evaluation.classification.few_shot import FewShotResult
from opendlign_core.evaluation.classification.retrieval import RetrievalResult
from opendlign_core.evaluation.classification.views import ViewsResult
from opendlign_core.evaluation.detection.counting import (
    ClassResult,
    DetectionResult,
    Errors,
    OverlapResult,
    ShownScene,
)
from opendlign_core.evaluation.findings import Estimate, ScoredObjects
from opendlign_core.evaluation.labels import packaged_labels
from opendlign_core.evaluation.pose.counting import GroupResult, PoseResult
from opendlign_core.evaluation.report.data import Curve, ExamplePicture, ImagePair, ReportData, StageCost
from opendlign_core.evaluation.report.html import data_uri
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.segmentation.counting import CategoryResult, SegmentationResult, ShownShape
from opendlign_core.evaluation.specs import BootstrapSpec

DATASETS = ("modelnet40", "omniobject3d")
METHODS = ("opendlign", "training-free")


def scored_objects(dataset: str, method: str, skill: float, seed: int) -> ScoredObjects:
    """Random scores in which the true class is `skill` standard deviations ahead."""
    rng = np.random.default_rng(seed)
    classes = packaged_labels(dataset)
    labels = rng.integers(0, len(classes), 400)
    scores = rng.normal(size=(400, len(classes))).astype(np.float32)
    scores[np.arange(400), labels] += skill
    ids = tuple(f"{dataset}/<{i:04d}>" for i in range(400))
    return ScoredObjects(dataset=dataset, method=method, object_ids=ids, classes=classes, labels=labels, scores=scores)


def filled_report() -> ReportData:
    """Every section of the page has something to show."""
    rng = np.random.default_rng(0)
    scored = [scored_objects(d, m, 3.2 - i, 10 * i + j) for i, m in enumerate(METHODS) for j, d in enumerate(DATASETS)]
    zero_shot = tuple(summarise(part, BootstrapSpec(samples=200)) for part in scored)
    shots = (1, 2, 4, 8, 16)
    few = tuple(
        FewShotResult(dataset="modelnet40", method="opendlign", shots=k, mean=0.4 + 0.1 * i, std=0.02, accuracies=())
        for i, k in enumerate(shots)
    )
    views = tuple(
        ViewsResult(dataset="modelnet40", method="opendlign", views=tuple(range(n)), top1=0.4 + 0.03 * n)
        for n in range(1, 11)
    )
    recall = {1: 0.5, 5: 0.7, 10: 0.8}
    found = RetrievalResult(
        dataset="modelnet40", query="text", queries=40, gallery=400, recall=recall, mean_average_precision=0.33
    )
    iou, black = {"seat": 0.3, "<leg>": 0.7}, data_uri(np.zeros((2, 2, 3), np.uint8))
    parts = SegmentationResult(
        dataset="modelnet40",
        method="opendlign",
        answer="corrected",
        kind="answer",
        objects=2,
        instance=Estimate(value=0.5, low=0.4, high=0.6),
        category=Estimate(value=0.5),
        accuracy=Estimate(value=0.7),
        categories=(CategoryResult(name="chair", objects=2, miou=Estimate(value=0.5), parts=iou),),
        shown=(
            ShownShape(
                object_id="set/<a>",
                category="chair",
                iou=0.5,
                place="best",
                picture=black,
            ),
        ),
    )
    things = DetectionResult(
        dataset="modelnet40",
        method="opendlign",
        boxes="superpoints",
        scenes=2,
        objects=9,
        proposals=31.5,
        overlaps={
            percent: OverlapResult(precision=Estimate(value=0.3, low=0.2, high=0.4), recall=0.6, draws=(0.3,))
            for percent in (25, 50)
        },
        classes=(ClassResult(name="<bed>", objects=9, precision={25: 0.3, 50: 0.3}, recall={25: 0.6, 50: 0.6}),),
        errors=Errors(
            detections={"right": 5, "background": 3}, missed=4, unseen=1, precision=0.3, mended={"background": 0.5}
        ),
        shown=(ShownScene(scene_id="set/<room>", found=5, things=9, plan=black, slanted=black),),
    )
    turned = PoseResult(
        dataset="modelnet40",
        method="frozen",
        kind="probe",
        photos=40,
        within_30=Estimate(value=0.4, low=0.3, high=0.5),
        within_10=Estimate(value=0.1),
        median=41.0,
        mean=60.0,
        remark="1 last, rate 0.01",
        groups=(GroupResult(name="vehicles", photos=20, within_30=0.5, within_10=0.2, median=30.0),),
        categories=(GroupResult(name="car", photos=40, within_30=0.4, within_10=0.1, median=41.0),),
    )
    results = EvaluationResults(
        model="ViT-tiny",
        model_fingerprint="0123abcd",
        rows={
            "zero-shot": zero_shot,
            "few-shot": few,
            "views": views,
            "retrieval": (found,),
            "segmentation": (parts,),
            "detection": (things,),
            "pose": (turned,),
        },
        examples=tuple(examples_of(scored[0], 2)),
        notes=("A note about <the run>.",),
        seconds={"features": 12.5},
    )
    steps = np.arange(0, 500, 10)
    curves = (
        Curve("loss", "contrastive", tuple((float(s), float(3 * np.exp(-s / 200) + 0.5)) for s in steps)),
        Curve("loss", "distance", tuple((float(s), float(2 * np.exp(-s / 100))) for s in steps)),
        Curve("top-1 %", "validation", tuple((float(s), 40 + s / 20) for s in steps)),
    )
    strip = (255 * rng.random((64, 160))).astype(np.uint8)
    pair = (255 * rng.random((64, 128, 3))).astype(np.uint8)
    return ReportData(
        title="Benchmark of a tiny model",
        results=results,
        curves=curves,
        examples=tuple(ExamplePicture(example, strip) for example in results.examples),
        pairs=(ImagePair("set/chair", "a wooden chair", pair),),
        stages=(
            StageCost("project", 12.0, 400, 31.5, 2),
            StageCost("train", 600.0, 400, 9.1, 0, 2.5, "EUR"),
        ),
        provenance=(("recipe", "fingerprint 77aa"),),
    )
