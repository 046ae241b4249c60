import numpy as np
import pytest
import torch

from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.evaluation.classification.scoring import view_features
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import Floats, ViewFeatures, plan_for
from opendlign_core.evaluation.model import EvaluatedModel
from opendlign_core.evaluation.specs import METHODS
from opendlign_core.training import DepthAlignedCLIP
from tests.evaluation.tiny import random_samples

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
METHOD = METHODS["opendlign"]


def features(device: str, precision: str) -> Floats:
    spec = ClipSpec(model="ViT-B-32", weights="random")
    model = EvaluatedModel.aligned(DepthAlignedCLIP(load_clip(spec)).to(device), spec, "random")
    found: ViewFeatures = Extractor(model, plan_for(METHOD, 10), "model", precision).extract(
        random_samples(4, ("a", "b"))
    )
    return view_features(found, METHOD)


def test_cuda_gives_the_features_of_the_cpu() -> None:
    expected = features("cpu", "float32")
    np.testing.assert_allclose(features("cuda", "float32"), expected, atol=2e-4, rtol=0)


def test_bfloat16_stays_close() -> None:
    exact, coarse = features("cuda", "float32"), features("cuda", "bfloat16")
    assert ((exact * coarse).sum(axis=-1) > 0.999).all()
