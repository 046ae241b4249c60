"""The CLIP that is built without open_clip is open_clip's, to the last bit, and open_clip stays out."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from opendlign_core.clip import ClipSpec, load_clip, load_tokenizer, packaged_folder
from opendlign_core.clip.plain import PlainClip, is_plain, load_plain
from opendlign_core.clip.spec import CONFIG_FILE, WEIGHTS_FILE
from opendlign_core.clip.tokens import patch_tokens
from opendlign_core.training import DepthAlignedCLIP
from opendlign_core.training.pretraining.run import save_clip
from tests.servers import ROOT
from tests.threads import torch_threads

TEXTS = ["a red mug", "a chair with four legs", "it's 3D & <b>odd</b>: \N{SNOWMAN} na\u00efve", "", "quux " * 60]
PACKAGED = ("mini", "mini-parts")


def theirs(folder: Path) -> Any:
    """The same folder as open_clip itself loads it."""
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return model.requires_grad_(False).eval()


@pytest.fixture(scope="module", params=PACKAGED)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    ours = load_clip(ClipSpec.packaged(request.param))
    assert isinstance(ours, PlainClip)
    return ours, theirs(packaged_folder(request.param))


def images(count: int = 5) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("threads", [1, 2])
def test_pictures_and_words_are_the_same_to_the_last_bit(pair: tuple[Any, Any], threads: int) -> None:
    ours, other = pair
    tokens = open_clip.SimpleTokenizer(context_length=ours.context_length)(TEXTS)
    with torch_threads(threads), torch.inference_mode():
        assert torch.equal(ours.encode_image(images()), other.encode_image(images()))
        assert torch.equal(ours.encode_text(tokens), other.encode_text(tokens))
        assert torch.equal(patch_tokens(ours, images()), patch_tokens(other, images()))
    assert ours.logit_scale.exp() == other.logit_scale.exp()


def test_the_weights_have_the_same_names(pair: tuple[Any, Any]) -> None:
    ours, other = (model.state_dict() for model in pair)
    assert list(ours) != [] and ours.keys() == other.keys()
    assert all(torch.equal(ours[name], other[name]) for name in ours)


def test_under_autocast_too(pair: tuple[Any, Any]) -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        mine, other = (model.encode_image(images()) for model in pair)
    assert mine.dtype == other.dtype and torch.equal(mine, other)


def test_gradients_of_a_depth_branch_are_the_same(pair: tuple[Any, Any]) -> None:
    found = []
    for clip in pair:
        model = DepthAlignedCLIP(clip)
        model.encode_image(images(), "depth").square().sum().backward()  # type: ignore[no-untyped-call]
        found.append([parameter.grad for parameter in model.trainable().values()])
    assert all(torch.equal(mine, other) for mine, other in zip(*found, strict=True))


def test_learned_positions_and_other_ratios_fit(tmp_path: Path) -> None:
    architecture = {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 48,
            "patch_size": 8,
            "head_width": 24,
            "mlp_ratio": 2.0,
        },
        "text_cfg": {
            "context_length": 20,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 1,
            "mlp_ratio": 3.0,
        },
    }
    spec = ClipSpec(model="other", weights="random", image_size=32, architecture=architecture)
    drawn = load_clip(spec)
    assert not isinstance(drawn, PlainClip)  # random weights are open_clip's own draws
    save_clip(drawn, spec, tmp_path / "other", {})
    ours, other = load_clip(ClipSpec.from_folder(tmp_path / "other")), theirs(tmp_path / "other")
    assert isinstance(ours, PlainClip)
    pixels, tokens = torch.rand(3, 3, 32, 32), load_tokenizer(spec)(TEXTS)
    with torch.inference_mode():
        assert torch.equal(ours.encode_image(pixels), other.encode_image(pixels))
        assert torch.equal(ours.encode_text(tokens), other.encode_text(tokens))


def test_what_pads_all_texts_alike_is_left_out_and_changes_no_bit(tmp_path: Path) -> None:
    architecture = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 2},
    }
    spec = ClipSpec(model="long", weights="random", image_size=32, architecture=architecture)
    save_clip(load_clip(spec), spec, tmp_path / "long", {})
    ours, other = load_clip(ClipSpec.from_folder(tmp_path / "long")), theirs(tmp_path / "long")
    passed: list[int] = []
    ours.ln_final.register_forward_hook(lambda _module, _given, tokens: passed.append(tokens.shape[1]))
    for texts, length in ((TEXTS[:2], 16), (["a chair " * 9], 32), (["a chair " * 15], 32), (TEXTS, 77)):
        tokens = load_tokenizer(spec)(texts)
        with torch.inference_mode():
            assert torch.equal(ours.encode_text(tokens), other.encode_text(tokens))
        assert passed.pop() == length


def test_loading_leaves_the_random_stream_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_clip(ClipSpec.packaged("mini"))
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"quick_gelu": True},
        {"custom_text": True},
        {"vision_cfg": {"image_size": 64, "attentional_pool": True}},
        {"vision_cfg": {"image_size": 64, "layers": [3, 4, 6, 3]}},
        {"text_cfg": {"hf_model_name": "roberta-base"}},
    ],
    ids=str,
)
def test_whatever_says_more_is_left_to_open_clip(change: dict[str, Any]) -> None:
    config = json.loads((packaged_folder("mini") / CONFIG_FILE).read_text())["model_cfg"]
    assert is_plain(config)
    assert not is_plain({**config, **change})


def test_weights_of_another_model_are_refused() -> None:
    config = json.loads((packaged_folder("mini") / CONFIG_FILE).read_text())["model_cfg"]
    deeper = {**config, "text_cfg": {**config["text_cfg"], "layers": 3}}
    with pytest.raises(RuntimeError, match=r"Missing key.*transformer\.resblocks\.2"):
        load_plain(deeper, packaged_folder("mini") / WEIGHTS_FILE)


def test_the_tokenizer_is_open_clips() -> None:
    ours = load_tokenizer(ClipSpec.packaged("mini"))
    assert torch.equal(ours(TEXTS), open_clip.SimpleTokenizer(context_length=32)(TEXTS))


def test_the_packaged_clip_leaves_open_clip_out() -> None:
    code = (
        "import sys, opendlign_core as od; m = od.load('package:mini'); od.classify(m, od.toy('mug'), ['mug', 'car']);"
        "print(*{'open_clip', 'torchvision', 'transformers', 'torch._dynamo', 'prefect'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
