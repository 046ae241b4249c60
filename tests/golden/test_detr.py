"""3DETR-m, step by step and whole, against files made with the reference implementation."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from opendlign_core.boxes import Boxes
from opendlign_core.proposal.detr.decoding import DecodedBoxes, decode
from opendlign_core.proposal.detr.model import propose, read_detr
from opendlign_core.proposal.detr.network import SIGHT, Detr3d, Extent, RawBoxes, blocked
from opendlign_core.proposal.detr.sampling import ball_query, farthest_points
from opendlign_core.proposal.detr.shape import DetrShape

Golden = Callable[[str], list[Path]]
Arrays = Mapping[str, Any]
CAMERA = np.array([1, -1, -1])


def arrays(golden_files: Golden, pattern: str) -> list[Arrays]:
    return [dict(np.load(path)) for path in golden_files(f"detection/{pattern}")]


def close(found: Tensor, data: Arrays, name: str, tolerance: float) -> None:
    np.testing.assert_allclose(found.numpy(), data[name], atol=tolerance, rtol=0, err_msg=name)


def y_up(points: Any) -> Any:
    x, y, z = points.T
    return np.stack([x, z, -y], axis=1)


def test_points_are_chosen_and_found_as_the_reference_s_kernels_do(golden_files: Golden) -> None:
    for data in arrays(golden_files, "point_ops_?.npz"):
        for grid in (name for name in data if name.startswith("fps_") and name.endswith("_inds")):
            points = torch.from_numpy(data[grid.replace("_inds", "_points")])
            assert farthest_points(points, len(data[grid])).tolist() == data[grid].tolist(), grid
        for ball in (name for name in data if "_r0" in name):
            kind, radius, most = ball.rsplit("_", 2)
            points = torch.from_numpy(data[f"{kind}_points"])
            centres = torch.from_numpy(data.get(f"{kind}_centres", data[f"{kind}_points"]))
            assert ball_query(points, centres, float(radius[1:]), int(most[1:])).tolist() == data[ball].tolist(), ball


@pytest.mark.parametrize("kind", ["scannet", "sunrgbd"])
def test_heads_become_the_reference_s_boxes(golden_files: Golden, kind: str) -> None:
    for data in arrays(golden_files, "box_decode_?.npz"):
        own = {name.removeprefix(f"{kind}_"): value for name, value in data.items() if name.startswith(kind)}
        for scene in range(len(own["query_xyz"])):
            given = {name: torch.from_numpy(value[scene]) for name, value in own.items()}
            names = ("cls_logits", "centre_raw", "size_raw", "angle_logits", "angle_residual_raw")
            raw = RawBoxes(*(given[name] for name in names))
            found = decode(given["query_xyz"], raw, Extent(given["dims_min"], given["dims_max"]))
            agree_on_boxes(found, given)


def agree_on_boxes(found: DecodedBoxes, expected: Mapping[str, Tensor]) -> None:
    pairs = zip(found, ("center", "size", "angle", "cls_prob", "objectness"), strict=True)
    for part, name in pairs:
        np.testing.assert_allclose(part.numpy(), expected[name].numpy(), atol=1e-5, err_msg=name)
    boxes = Boxes.of(y_up(found.centres.numpy()), found.sizes.numpy()[:, [0, 2, 1]], found.yaws.numpy())
    np.testing.assert_allclose(boxes.corners() * CAMERA, expected["corners"].numpy(), atol=1e-4)


def tiny_models(golden_files: Golden) -> Iterator[tuple[Detr3d, Arrays]]:
    for weights, scenes in zip(
        arrays(golden_files, "detr3d_tiny_weights_?.npz"),
        arrays(golden_files, "detr3d_tiny_scenes_?.npz"),
        strict=True,
    ):
        config = json.loads(str(weights["config_json"]))
        state = {name: torch.from_numpy(value) for name, value in weights.items() if name != "config_json"}
        model = Detr3d(DetrShape.of(state, config["preenc_npoints"], config["nqueries"]))
        model.load_state_dict(state, strict=True)
        yield model.eval(), scenes


def watch(model: Detr3d) -> dict[str, Any]:
    """What every module gives from now on, by its name."""
    seen: dict[str, Any] = {}

    def note(name: str, module: nn.Module, given: Any, found: Any) -> None:
        seen[name] = found

    for name, module in model.named_modules():
        module.register_forward_hook(partial(note, name))
    return seen


@torch.inference_mode()
def test_every_step_of_the_network_is_the_reference_s(golden_files: Golden) -> None:
    for model, scenes in tiny_models(golden_files):
        seen = watch(model)
        for scene in range(len(scenes["names"])):
            data = {name[3:]: value for name, value in scenes.items() if name.startswith(f"s{scene}_")}
            points = torch.from_numpy(data["points"])
            queries, raw = model(points)
            agree_on_sampling(points, seen, data)
            agree_on_features(seen, data)
            close(queries, data, "query_xyz", 1e-6)
            agree_on_outputs(model, seen, data)
            close(raw.classes, {"last": data["out_sem_cls_logits"][-1]}, "last", 5e-4)


def agree_on_sampling(points: Tensor, seen: Mapping[str, Any], data: Arrays) -> None:
    tokens, fewer = seen["pre_encoder"].places, seen["encoder.interim_downsampling"].places
    for given, found, name, radius, most in (
        (points, tokens, "token", 0.2, 64),
        (tokens, fewer, "down", 0.4, 32),
    ):
        assert farthest_points(given, len(found)).tolist() == data[f"{name}_inds"].tolist()
        assert torch.equal(found, torch.from_numpy(data[f"{name}_xyz"]))
        assert ball_query(given, found, radius, most).tolist() == data[f"{name}_group_inds"].tolist()
    for layer, (places, sight) in enumerate(zip((tokens, fewer, fewer), SIGHT, strict=True)):
        bits = np.unpackbits(data[f"enc_mask{layer}"])[: len(places) ** 2]
        assert np.array_equal(blocked(places, sight).numpy().ravel(), bits.astype(bool))
    assert farthest_points(fewer, len(data["query_inds"])).tolist() == data["query_inds"].tolist()


def agree_on_features(seen: Mapping[str, Any], data: Arrays) -> None:
    close(seen["pre_encoder"].features.T, data, "token_features", 2e-4)
    close(seen["encoder.interim_downsampling"].features.T, data, "down_features", 2e-4)
    for layer in range(len(SIGHT)):
        close(seen[f"encoder.layers.{layer}"], data, f"enc{layer}", 2e-4)
    close(seen["encoder_to_decoder_projection"], data, "memory", 2e-4)
    close(seen["pos_embedding"].T, data, "memory_pos", 2e-4)
    close(seen["query_projection"].T, data, "query_embed", 2e-4)


def agree_on_outputs(model: Detr3d, seen: Mapping[str, Any], data: Arrays) -> None:
    """Every decoder layer: the reference judges each of them, we the last."""
    extent = Extent(torch.from_numpy(data["dims_min"]), torch.from_numpy(data["dims_max"]))
    for layer in range(model.shape.layers):
        state = seen[f"decoder.layers.{layer}"].clone()
        close(state, data, f"dec{layer}", 2e-3)
        answers = model.decoder.norm(state)
        expected = {name: value[layer] for name, value in data.items() if name.startswith(("out_", "dec_norm"))}
        close(answers, expected, "dec_norm", 5e-4)
        raw = RawBoxes(*(head(answers) for head in model.mlp_heads.values()))
        agree_on_decoded(decode(torch.from_numpy(data["query_xyz"]), raw, extent), expected)


def agree_on_decoded(found: DecodedBoxes, expected: Arrays) -> None:
    for part, name in (
        (found.centres, "center_unnormalized"),
        (found.sizes, "size_unnormalized"),
        (found.yaws, "angle_continuous"),
        (found.probabilities, "sem_cls_prob"),
        (found.objectness, "objectness_prob"),
    ):
        close(part, expected, f"out_{name}", 1e-4)


def formula_weights(manifest: list[Any], seed: int) -> dict[str, Tensor]:
    """Weights for which nothing has to be stored: a hash of the place of every value."""
    state = {name: value_of(name, tuple(shape), index, seed) for index, (name, shape, _) in enumerate(manifest)}
    state["mlp_heads.sem_cls_head.layers.8.bias"][18] += 3
    state["mlp_heads.size_head.layers.8.bias"] -= 1
    return {
        name: torch.tensor(0) if name.endswith("num_batches_tracked") else torch.from_numpy(value).float()
        for name, value in state.items()
    }


def value_of(name: str, shape: tuple[int, ...], index: int, seed: int) -> Any:
    mixed = (np.arange(int(np.prod(shape)), dtype=np.uint64) + 1000003 * index + 7919 * seed).astype(np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed ^= mixed >> np.uint32(shift)
        mixed = (mixed.astype(np.uint64) * factor).astype(np.uint32)
    mixed ^= mixed >> np.uint32(16)
    uniform = (mixed / 2**31 - 1).reshape(shape)
    last = name.rsplit(".", 1)[-1]
    if last in ("running_mean", "running_var", "gauss_B", "bias", "in_proj_bias"):
        scale = {"running_mean": 0.2, "running_var": 0.5, "gauss_B": 3**0.5}.get(last, 0.1)
        return scale * uniform + (last == "running_var")
    if len(shape) < 2:
        return 1 + 0.3 * uniform
    return gain(name) * uniform * (3 / np.prod(shape[1:])) ** 0.5


def gain(name: str) -> float:
    if name.startswith("query_projection"):
        return 3.0
    return 1.8 if name.startswith("mlp_heads") and not name.endswith(".layers.8.weight") else 1.5


def test_a_checkpoint_in_the_published_layout_gives_the_reference_s_boxes(
    golden_files: Golden, tmp_path: Path
) -> None:
    found = golden_files("detection/detr3d_full_?.npz")
    for path in found:
        manifest = json.loads(
            path.with_name(path.name.replace("full", "full_manifest")).with_suffix(".json").read_text()
        )
        data, entries = dict(np.load(path)), manifest["scannet_3detr_m"]
        state = formula_weights(entries, int(data["weights_seed"]))
        for name in (name for name in data if name.startswith("check_")):
            tensor = state[name.removeprefix("check_")]
            np.testing.assert_array_equal(tensor.flatten()[:8].numpy(), data[name])
        model = read_detr(published(tmp_path / f"{path.stem}.pth", state, manifest["args_scannet_3detr_m"]))
        assert [(name, list(tensor.shape)) for name, tensor in sorted(model.state_dict().items())] == sorted(
            (name, shape) for name, shape, _ in entries
        )
        proposals = propose(model, y_up(data["points"]))
        np.testing.assert_allclose(proposals.boxes.corners() * CAMERA, data["out_box_corners"], atol=1e-4)
        np.testing.assert_allclose(proposals.objectness, data["out_objectness_prob"], atol=1e-4)
        assert proposals.probabilities is not None
        np.testing.assert_allclose(proposals.probabilities, data["out_sem_cls_prob"], atol=1e-4)


def published(path: Path, state: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> Path:
    """The schema that the reference saves, objects of other libraries and all."""
    best = {"0.25": {"mAP": np.float64(65.0)}, "0.5": {"mAP": np.float32(47.0)}}
    content = {"model": state, "optimizer": {"state": {}}, "epoch": 1080, "args": argparse.Namespace(**arguments)}
    torch.save({**content, "best_val_metrics": best}, path)
    return path
