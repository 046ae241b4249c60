from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from opendlign_core.evaluation.classification.pointclip import pooled, search_sentences, search_weights
from opendlign_core.evaluation.classification.scoring import aggregate, score
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import EvalSample, Floats, plan_for
from opendlign_core.evaluation.model import EvaluatedModel
from opendlign_core.evaluation.specs import METHODS, Branch, SearchSpec
from opendlign_core.projection import project

Find = Callable[[str], list[Path]]
METHOD = METHODS["pointclip-v2"]
HEAD = "pointclip_v2/*_cls_head_?.npz"


class BlockEncoder:
    """The golden files' toy encoder: 28 x 28 block means of the first channel, inverted, through a sine matrix."""

    def __init__(self) -> None:
        rows, columns = np.meshgrid(np.arange(64), np.arange(16), indexing="ij")
        self.matrix = torch.from_numpy(np.sin(0.9 * (rows + 1) * (columns + 1)).astype(np.float32))

    def encode_image(self, images: torch.Tensor, branch: Branch = "base") -> torch.Tensor:
        means = images[:, 0].reshape(-1, 8, 28, 8, 28).mean(dim=(2, 4))
        return torch.mm(1 - means.flatten(1), self.matrix)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("the golden files hold text features")


def no_tokens(texts: Sequence[str]) -> torch.Tensor:
    raise NotImplementedError("the golden files hold text features")


def unit(features: Floats) -> Floats:
    normed: Floats = features / np.linalg.norm(features, axis=-1, keepdims=True)
    return normed


@pytest.fixture
def archives(golden_files: Find) -> list[Any]:
    return [np.load(path) for path in golden_files(HEAD)]


def test_features_and_logits_from_points(archives: list[Any]) -> None:
    model = EvaluatedModel("blocks", BlockEncoder(), no_tokens, 224, "blocks")
    for archive in archives:
        depth = project(torch.from_numpy(archive["points"]), "pointclip-v2").numpy()
        samples = [EvalSample(str(i), "", maps) for i, maps in enumerate(depth)]
        features = Extractor(model, plan_for(METHOD, 10), METHOD.pixels).extract(samples)
        found, expected = features.base.reshape(6, 160), archive["features_f32"]
        # A point at a rounding boundary may land in the neighbouring cell, which moves a few features by up to 2e-4.
        assert np.abs(found - expected).max() < 2e-4
        assert (np.abs(found - expected) < 1e-5).mean() > 0.98
        weighted = METHOD.model_copy(update={"view_weights": tuple(archive["view_weights"].tolist())})
        logits = score(features, unit(archive["text_features"]), weighted)
        np.testing.assert_allclose(logits, archive["logits_f32"], atol=5e-3, rtol=0)


@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-3), ("f16", 0.1)])
def test_logits_from_stored_features(archives: list[Any], precision: str, tolerance: float) -> None:
    for archive in archives:
        views = archive[f"features_{precision}"].reshape(6, 10, 16)
        logits = aggregate(views @ unit(archive["text_features"]).T, "pointclip-v2", archive["view_weights"])
        np.testing.assert_allclose(logits, archive[f"logits_{precision}"], atol=tolerance, rtol=0)


def test_sentence_search(archives: list[Any]) -> None:
    for archive in archives:
        views, labels = archive["search_features"].reshape(80, 10, 16), archive["search_labels"]
        objects = pooled(views, archive["search_initial_weights"])
        library = list(unit(archive["search_library_text"]))
        found = search_sentences(objects, labels, unit(archive["search_initial_text"]), library, sweeps=2)
        assert found.chosen == tuple(archive["search_chosen_sentence"])
        assert 100 * found.before == pytest.approx(float(archive["search_accuracy_before_prompt"]), abs=0.006)
        assert 100 * found.after == pytest.approx(float(archive["search_accuracy_after_prompt"]), abs=0.006)


def test_weight_search(archives: list[Any]) -> None:
    for archive in archives:
        views, labels = archive["search_features"].reshape(80, 10, 16), archive["search_labels"]
        spec = SearchSpec(levels=tuple(archive["search_levels"].tolist()))
        text = unit(archive["search_initial_text"])
        found = search_weights(views, labels, text, archive["search_initial_weights"].tolist(), spec)
        assert found.weights == tuple(archive["search_weights"])
        assert 100 * found.before == pytest.approx(float(archive["search_accuracy_before_weights"]), abs=0.006)
        assert 100 * found.after == pytest.approx(float(archive["search_accuracy_after_weights"]), abs=0.006)
