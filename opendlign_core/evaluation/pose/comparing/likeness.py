"""How much a model's embedding of a photo is like those of a CAD's depth maps."""

import numpy as np
import torch
from torch import Tensor

from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import EvalSample, FeaturePlan
from opendlign_core.evaluation.model import EvaluatedModel
from opendlign_core.evaluation.pose.comparing.colours import UInt8
from opendlign_core.evaluation.pose.comparing.search import Likeness
from opendlign_core.pose import Floats


def likeness_to(photo: UInt8, model: EvaluatedModel) -> Likeness:  # [H, W, 3]
    """Cosines of depth maps, through the depth branch, with the photo through the frozen one."""
    extractor = Extractor(model, FeaturePlan(base=(), depth=(0,)))
    pixels = torch.from_numpy(np.ascontiguousarray(photo)).permute(2, 0, 1)[None].float() / 255
    target = extractor.encode_pictures(pixels)[0]

    def cosines(maps: Tensor) -> Floats:  # [B, H, W] -> [B]
        views = (EvalSample(f"view {number}", None, view[None]) for number, view in enumerate(maps.numpy()))
        found: Floats = (extractor.extract(views).depth[:, 0] @ target).astype(np.float64)
        return found

    return cosines
