from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendlign_core.evaluation.classification.counting import scored_objects, summarise
from opendlign_core.evaluation.classification.labelled import LabelledFeatures, with_labels
from opendlign_core.evaluation.classification.metrics import Ints, count_classes, label_ranks
from opendlign_core.evaluation.classification.scoring import aggregate, score, view_features
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import EvalSample, Floats, plan_for
from opendlign_core.evaluation.labels import packaged_labels
from opendlign_core.evaluation.model import text_classifier
from opendlign_core.evaluation.specs import METHODS, BootstrapSpec, DatasetSpec
from tests.evaluation.tiny import golden_model

Find = Callable[[str], list[Path]]
METHOD = METHODS["opendlign"]
DATASET = DatasetSpec(name="modelnet40", labels="modelnet40")


NO_BOOTSTRAP = BootstrapSpec(samples=0)


@pytest.fixture
def archives(golden_files: Find) -> list[Any]:
    return [np.load(path) for path in golden_files("opendlign/opendlign_tiny_*.npz")]


def golden_samples(archive: Any) -> list[EvalSample]:
    depth = archive["zs/depth_u8"].astype(np.float32) / 255
    names = archive["zs/label_tokens_in_filename"]
    return [EvalSample(f"e{i:02d}", str(name), maps) for i, (name, maps) in enumerate(zip(names, depth, strict=True))]


def labelled(archive: Any, image_batch: int = 70) -> LabelledFeatures:
    extractor = Extractor(golden_model(archive), plan_for(METHOD, 10), image_batch=image_batch)
    return with_labels(extractor.extract(golden_samples(archive)), DATASET)


def text_of(archive: Any) -> Floats:
    """The golden class embeddings; their own test compares them with ours."""
    embeddings: Floats = archive["text/class_embeddings/modelnet40"]
    return embeddings


def test_scores_of_every_view_and_their_sum(archives: list[Any]) -> None:
    for archive in archives:
        data, text = labelled(archive), text_of(archive)
        cosines = view_features(data.features, METHOD) @ text.T
        for view in range(10):
            expected = archive["zs/per_view_probs"][:, view]
            np.testing.assert_allclose(aggregate(cosines[:, [view]], "reference"), expected, atol=1e-6, rtol=0)
        np.testing.assert_allclose(score(data.features, text, METHOD), archive["zs/scores"], atol=1e-6, rtol=0)


def test_order_of_the_five_best_classes(archives: list[Any]) -> None:
    for archive in archives:
        scores = score(labelled(archive).features, text_of(archive), METHOD)
        assert (scores.argmax(1) == archive["zs/scores"].argmax(1)).all()
        for k in (3, 5):
            found, expected = np.sort(np.argsort(-scores)[:, :k]), np.sort(np.argsort(-archive["zs/scores"])[:, :k])
            np.testing.assert_array_equal(found, expected)


def test_text_encoded_here_gives_the_same_ranking(archives: list[Any]) -> None:
    archive = archives[0]
    classes = packaged_labels("modelnet40")[:6]
    text = text_classifier(golden_model(archive), classes, METHOD.text).numpy()
    found = score(labelled(archive).features, text, METHOD)
    expected = score(labelled(archive).features, text_of(archive)[:6], METHOD)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_labels_counters_and_logged_numbers(archives: list[Any]) -> None:
    for archive in archives:
        data = labelled(archive)
        np.testing.assert_array_equal(data.labels, archive["zs/labels"])
        scored = scored_objects("modelnet40", METHOD, data, text_of(archive))
        result = summarise(scored, NO_BOOTSTRAP)
        check_counters(archive, "zs/metrics", scored.scores, scored.labels)
        logged = [line.split(": ")[1] for line in archive["zs/summary_lines"]]
        ours = [result.top1, result.top3, result.top5, result.macro_f1]
        numbers = [*(estimate.value for estimate in ours), result.macro_recall, result.macro_precision]
        assert [float(text) for text in logged] == pytest.approx(numbers, abs=1e-12)
        percent = 100 * np.array([[row.top1, row.top3, row.top5] for row in result.classes]).T
        np.testing.assert_allclose(percent, archive["zs/class_acc_top1_top3_top5_percent"], atol=1e-9)


def test_metric_code_alone_with_absent_classes(archives: list[Any]) -> None:
    for archive in archives:
        scores, labels = archive["metric/scores"], archive["metric/labels"]
        check_counters(archive, "metric", scores, labels)
        ranks = label_ranks(scores, labels)
        assert [(ranks < k).sum() for k in (1, 3, 5)] == archive["metric/correct_top1_top3_top5"].tolist()
        macro = count_classes(scores, labels).macro()
        np.testing.assert_allclose(
            [macro.f1, macro.recall, macro.precision], archive["metric/macro_f1_recall_precision"]
        )
        np.testing.assert_allclose(macro.class_f1, archive["metric/class_f1"])


def check_counters(archive: Any, prefix: str, scores: Floats, labels: Ints) -> None:
    counters = count_classes(scores, labels)
    hits = counters.confusion.diagonal()
    expected = {
        "target": counters.targets,
        "correct": counters.hits[1],
        "top_3_correct": counters.hits[3],
        "top_5_correct": counters.hits[5],
        "tp": hits,
        "fp": counters.confusion.sum(0) - hits,
        "fn": counters.confusion.sum(1) - hits,
    }
    for name, counts in expected.items():
        np.testing.assert_array_equal(counts, archive[f"{prefix}/{name}_each_class"], err_msg=name)


def test_batch_size_does_not_change_the_features(archives: list[Any]) -> None:
    one, many = labelled(archives[0], image_batch=10).features, labelled(archives[0], image_batch=240).features
    np.testing.assert_allclose(one.base, many.base, atol=2e-6)
    np.testing.assert_allclose(one.depth, many.depth, atol=2e-6)
