"""The model that an evaluation judges: a trained one of the store, or a frozen CLIP as it is."""

from typing import TYPE_CHECKING

from opendlign_core.clip import ClipSpec
from opendlign_core.errors import BadInput
from storage.fingerprint import digest
from storage.records import Manifest
from storage.store import Store
from tasks.digests import digest_of
from tasks.train import load_trained

if TYPE_CHECKING:
    from opendlign_core.evaluation import EvaluatedModel


def judged_model(store: Store, trained: Manifest | None, clip: ClipSpec | None, device: str) -> "EvaluatedModel":
    """The trained model where there is one, else the frozen CLIP.

    Raises:
        BadInput: there is neither, or both.
    """
    require_one_model(trained is not None, clip)
    if trained is not None:
        return load_trained(store, trained, device)
    return load_frozen(frozen_clip(clip), device)


def frozen_clip(clip: ClipSpec | None) -> ClipSpec:
    """The CLIP of an evaluation without a trained model, which has one."""
    assert clip is not None
    return clip


def require_one_model(trained: bool, clip: ClipSpec | None) -> None:
    """Refuse an evaluation without a model, and one with two."""
    if not trained and clip is None:
        raise BadInput(
            "nothing to evaluate: name a CLIP that is judged as it is (evaluate.clip, such as package:mini), or train "
            "a model (a preset with train, or --model)"
        )
    if trained and clip is not None:
        raise BadInput(
            f"two models to evaluate: a trained one and the frozen {clip.model} of evaluate.clip; leave one out, with "
            "--set evaluate.clip=null for instance"
        )


def load_frozen(clip: ClipSpec, device: str) -> "EvaluatedModel":
    """A CLIP as it is: its depth branch is still a copy of its own last block."""
    from opendlign_core.clip import choose_device, load_clip
    from opendlign_core.evaluation import EvaluatedModel
    from opendlign_core.training import DepthAlignedCLIP

    aligned = DepthAlignedCLIP(load_clip(clip)).to(choose_device(device)).eval()
    return EvaluatedModel.aligned(aligned, clip, digest(clip.settled(digest_of).model_dump(mode="json")))
