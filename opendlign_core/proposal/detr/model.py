"""A 3DETR-m from a file, and what it proposes for a scene."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput
from opendlign_core.pickled import read_pickled
from opendlign_core.proposal.detr.decoding import decode
from opendlign_core.proposal.detr.network import Detr3d, Extent
from opendlign_core.proposal.detr.shape import DetrShape
from opendlign_core.proposal.proposals import Proposals


def read_detr(path: Path, tokens: int = 2048, queries: int = 256) -> Detr3d:
    """A model from a published checkpoint (`.pth`), or from its tensors under the same names (`.safetensors`).

    `tokens` and `queries` are what the model was trained with, which its tensors do not tell: 256 queries for ScanNet,
    128 for SUN RGB-D.

    Raises:
        BadInput: the file is something else than a masked 3DETR without colours.
    """
    state = _tensors(path)
    try:
        model = Detr3d(DetrShape.of(state, tokens, queries))
        model.load_state_dict(state, strict=True)
    except (KeyError, RuntimeError) as error:
        first = " ".join(str(error).split())[:300]
        raise BadInput(f"{path} is no 3DETR-m without colours (enc_type masked): {first}") from error
    return model.eval().requires_grad_(False)


def propose(model: Detr3d, points: NDArray[Any]) -> Proposals:  # [N, 3], y up
    """A box for every query, with objectness and the probabilities of the model's own classes.

    The published model was trained on 40,000 points of a scene (SUN RGB-D: 20,000), drawn at random.

    Raises:
        BadInput: there are no points, or all lie in one plane along the axes.
    """
    x, y, z = _checked(points).T
    device = next(model.parameters()).device
    scan = torch.from_numpy(np.stack([x, -z, y], axis=1).astype(np.float32)).to(device)
    with torch.inference_mode():
        queries, raw = model(scan)
        decoded = decode(queries, raw, Extent.of(scan))
    centres, sizes, yaws, probabilities, objectness = (part.cpu().numpy() for part in decoded)
    up = [0, 2, 1]  # height comes second
    boxes = Boxes.of(centres[:, up] * [1.0, 1.0, -1.0], sizes[:, up], yaws)
    return Proposals(boxes, objectness, probabilities)


def _checked(points: NDArray[Any]) -> NDArray[Any]:
    if not len(points):
        raise BadInput("a scene without points has nothing to propose boxes for; give a scan that holds some")
    if not np.isfinite(points).all():
        raise BadInput("a point of the scene is not finite; remove such points first")
    if not (np.ptp(points, axis=0) > 0).all():
        raise BadInput("all points of the scene lie in one plane; give a scan of a room")
    return points


def _tensors(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise BadInput(f"{path} cannot be read as safetensors ({error}); fetch it again") from error
    content = read_pickled(path)
    state = content.get("model") if isinstance(content, dict) else None
    if not isinstance(state, Mapping):
        raise BadInput(
            f"{path} is no 3DETR checkpoint: it has no entry 'model'; give scannet_masked_ep1080.pth or alike"
        )
    return state
