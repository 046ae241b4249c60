import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from opendlign_core.evaluation.labels import packaged_labels
from opendlign_core.evaluation.model import encode_texts, text_classifier
from opendlign_core.evaluation.templates import TextName, fill, named_templates
from tests.evaluation.tiny import golden_model

DATASETS: list[tuple[str, str, TextName]] = [
    ("modelnet40", "modelnet40", "depth"),
    ("scanobjectnn", "scanobjectnn", "depth-scanobjectnn"),
    ("OmniObject3D", "omniobject3d", "depth"),
]
Find = Callable[[str], list[Path]]


def spread(classes: tuple[str, ...]) -> slice:
    """Five or so classes from the whole list; all of them would take most of a minute."""
    return slice(len(classes) // 10, None, len(classes) // 5)


@pytest.fixture
def reference(golden_files: Find) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(golden_files("opendlign/templates_labels.json")[0].read_text())["datasets"]
    return found


@pytest.mark.parametrize(("dataset", "packaged", "text"), DATASETS)
def test_depth_wording_by_rule_equals_the_published_templates(
    reference: dict[str, Any], dataset: str, packaged: str, text: TextName
) -> None:
    assert list(named_templates(text)) == reference[dataset]["templates"]


@pytest.mark.parametrize(("dataset", "packaged", "text"), DATASETS)
def test_class_names_equal_the_published_lists(
    reference: dict[str, Any], dataset: str, packaged: str, text: TextName
) -> None:
    assert list(packaged_labels(packaged)) == reference[dataset]["labels"]


@pytest.mark.parametrize(("dataset", "packaged", "text"), DATASETS)
def test_tokens_of_all_prompts(golden_files: Find, dataset: str, packaged: str, text: TextName) -> None:
    for path in golden_files("opendlign/opendlign_tiny_*.npz"):
        archive = np.load(path)
        tokenize = golden_model(archive).tokenize
        place = torch.arange(1, 78)
        some = spread(packaged_labels(packaged))
        checksums = [
            [int((place * tokenize([fill(template, name)])[0]).sum()) for template in named_templates(text)]
            for name in packaged_labels(packaged)[some]
        ]
        np.testing.assert_array_equal(checksums, archive[f"text/token_checksum/{dataset}"][some])


@pytest.mark.parametrize(("dataset", "packaged", "text"), DATASETS)
def test_class_embeddings(golden_files: Find, dataset: str, packaged: str, text: TextName) -> None:
    for path in golden_files("opendlign/opendlign_tiny_*.npz"):
        archive = np.load(path)
        some = spread(packaged_labels(packaged))
        found = text_classifier(golden_model(archive), packaged_labels(packaged)[some], text)
        expected = archive[f"text/class_embeddings/{dataset}"][some]
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-6, rtol=0)


def test_long_and_empty_prompts(golden_files: Find) -> None:
    for path in golden_files("opendlign/opendlign_tiny_*.npz"):
        archive = np.load(path)
        model, prompts = golden_model(archive), [str(prompt) for prompt in archive["text/prompts"]]
        np.testing.assert_array_equal(model.tokenize(prompts).numpy(), archive["text/token_ids"])
        unit = archive["text/features"] / np.linalg.norm(archive["text/features"], axis=1, keepdims=True)
        np.testing.assert_allclose(encode_texts(model, prompts).numpy(), unit, atol=1e-6, rtol=0)
