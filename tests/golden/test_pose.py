"""Pose errors, bins, summaries and linear probes, against files of the reference."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from opendlign_core.evaluation.pose.probing.bank import HeadBank, Stack, cosine
from opendlign_core.evaluation.pose.probing.choices import Blocks, ProbeSpec, Reading, block_numbers
from opendlign_core.evaluation.pose.probing.features import ProbeFeatures, blocks_read, of_blocks
from opendlign_core.evaluation.pose.scores import PoseScore, grouped, split_by, with_classes
from opendlign_core.pose import binned, centres, decoded, mirrored, pose_error, rotation
from opendlign_core.training.pose.learner import losses
from opendlign_core.training.pose.network import Told

Golden = Callable[[str], list[Path]]
Arrays = Mapping[str, Any]
BLOCKS: tuple[Blocks, ...] = ("1_last", "4_last", "4_uniform")
HALF_TURNS = np.array([1, 2])
"""Half turns, where the reference's logarithm calls the worst pose perfect."""


def arrays(golden_files: Golden, pattern: str) -> list[Arrays]:
    return [dict(np.load(path)) for path in golden_files(f"pose/{pattern}")]


def test_errors_are_the_reference_s_and_half_turns_are_half_turns(golden_files: Golden) -> None:
    for data in arrays(golden_files, "pose_metrics_?.npz"):
        true, found = data["error/gt"], data["error/pred"]
        errors = pose_error(found, true)
        sound = np.setdiff1d(np.arange(len(errors)), HALF_TURNS)
        np.testing.assert_allclose(rotation(true), data["error/rotation_gt"], atol=1e-12)
        np.testing.assert_allclose(errors[sound], data["error/value_real"][sound], atol=1e-12)
        np.testing.assert_allclose(errors[HALF_TURNS], np.pi, atol=1e-12)
        rounded = pose_error(found, true.astype(np.float32))
        np.testing.assert_allclose(rounded[sound], data["error/value_gt_float32_real"][sound], atol=5e-7)
        assert pose_error(np.array([np.nan, 0, 0]), true[0]) == data["error/nan_single"]


def test_bins_wrap_and_their_middles_come_back(golden_files: Golden) -> None:
    for data in arrays(golden_files, "pose_metrics_?.npz"):
        value, sound = data["bins/value"], ~data["bins/near_edge"]
        np.testing.assert_array_equal(binned(value), data["bins/index_float64"])
        np.testing.assert_array_equal(binned(value.astype(np.float32))[sound], data["bins/index_float32_torch"][sound])
        np.testing.assert_array_equal(binned(data["label/in"].astype(np.float32)), data["label/bins"])
        np.testing.assert_allclose(centres(data["bins/centre_index"]), data["bins/centre"], atol=1e-12)


def test_logits_are_poses(golden_files: Golden) -> None:
    for data in arrays(golden_files, "pose_metrics_?.npz"):
        poses = decoded(data["decode/logits"])
        np.testing.assert_allclose(poses, data["decode/pose"], atol=1e-12)
        np.testing.assert_allclose(pose_error(poses, data["decode/gt"]), data["decode/error"], atol=1e-12)


def test_the_losses_of_pose_and_category_are_the_reference_s(golden_files: Golden) -> None:
    for data in arrays(golden_files, "pose_metrics_?.npz"):
        told = Told(torch.from_numpy(data["decode/logits"]), torch.from_numpy(data["joint/class_logits"]))
        found = losses(told, torch.from_numpy(data["decode/gt"]), torch.from_numpy(data["joint/class"]).long())
        np.testing.assert_allclose(found["pose"], data["joint/pose_loss"], atol=1e-5)
        np.testing.assert_allclose(found["category"], data["joint/class_loss"], atol=1e-5)


def test_a_mirrored_photo_has_the_mirrored_pose(golden_files: Golden) -> None:
    for data in arrays(golden_files, "pose_metrics_?.npz"):
        turned = mirrored(data["flip/in"])
        np.testing.assert_allclose(turned, data["flip/out"], atol=1e-12)
        np.testing.assert_allclose(rotation(turned), data["flip/rotation_out"], atol=1e-12)


def told(score: PoseScore) -> list[float]:
    return [score.within_30, score.within_10, score.mean, score.median]


def expected(stored: Mapping[str, float]) -> list[float]:
    return [
        stored[key]
        for key in ("pi_6_acc", "pi_18_acc", "mean_err", "median_err" if "median_err" in stored else "meadian_err")
    ]


def test_summaries_are_what_the_published_scripts_store(golden_files: Golden) -> None:
    for path in golden_files("pose/summaries_?.json"):
        data = json.loads(path.read_text())
        groups = data["meta_classes"]
        for kind in ("linear_probing", "open_vocab", "joint"):
            given, stored = data[kind]["input"], data[kind]["output"]
            categories = given["categories"]
            if kind == "linear_probing":
                banks = {name: np.array(errors) for name, errors in given["pose_errors"].items()}
                best = max(banks, key=lambda name: PoseScore.of(banks[name]).within_30)
                compared = {"avg": PoseScore.of(banks[best]), **grouped(banks[best], categories, groups)}
            elif kind == "joint":
                errors = with_classes(np.array(given["pose_errors"]), np.array(given["classifications"], bool))
                compared = {"avg": PoseScore.of(errors), **grouped(errors, categories, groups)}
            else:
                continue
            assert compared.keys() == stored.keys()
            for name, score in compared.items():
                np.testing.assert_allclose(told(score), expected(stored[name]), atol=1e-9, err_msg=f"{kind} {name}")


def test_known_and_novel_categories_are_told_apart(golden_files: Golden) -> None:
    for path in golden_files("pose/summaries_?.json"):
        data = json.loads(path.read_text())
        given, stored = data["open_vocab"]["input"], data["open_vocab"]["output"]
        errors, categories = np.array(given["pose_errors"]), given["categories"]
        there = split_by(categories, data["known_classes"])
        for ours, theirs in (("known", "known"), ("novel", "unknown")):
            np.testing.assert_allclose(
                told(PoseScore.of(errors[there[ours]])), expected(stored[f"{theirs}_avg"]), atol=1e-9
            )
        known, novel = (
            grouped(errors[part], list(np.array(categories)[part]), data["meta_classes"]) for part in there.values()
        )
        for name, score in known.items():
            np.testing.assert_allclose(told(score), expected(stored[f"known_{name}"]), atol=1e-9)
        for name, score in novel.items():
            np.testing.assert_allclose(told(score), expected(data["open_vocab"]["unknown_corrected"][name]), atol=1e-9)


@pytest.fixture
def probes(golden_files: Golden) -> list[Arrays]:
    return arrays(golden_files, "probe_?.npz")


def features(data: Arrays) -> ProbeFeatures:
    states = [torch.from_numpy(tokens) for tokens in data["hidden_states"]]
    numbers = blocks_read(ProbeSpec().readings(), len(states))
    return of_blocks([states[number] for number in numbers], numbers, len(states))


def test_heads_read_the_blocks_that_the_reference_s_do(probes: list[Arrays]) -> None:
    for data in probes:
        for depth in (12, 24, 32, 40):
            chosen = json.loads(str(data[f"select/{depth}_json"]))
            assert [list(block_numbers(blocks, depth)) for blocks in BLOCKS] == chosen
        assert [head.name for head in ProbeSpec().heads()] == json.loads(str(data["head_names_json"]))
        for reading, seen in features(data).inputs(ProbeSpec().readings()).items():
            np.testing.assert_allclose(seen, data[f"input/{reading.blocks}_avgpool_{reading.pooled}"], atol=1e-6)


def bank_of(data: Arrays, spec: ProbeSpec) -> HeadBank:
    """A bank that begins at the reference's weights."""

    def stack(reading: Reading) -> Stack:
        parts: dict[str, list[torch.Tensor]] = {"weight": [], "bias": []}
        for head in (head for head in spec.heads() if head.reading == reading):
            for kind, kept in parts.items():
                angles = [data[f"bank/{head.name}/linear_heads.{angle}.{kind}"] for angle in range(3)]
                kept.append(torch.from_numpy(np.concatenate(angles)))
        rates = torch.tensor(spec.rates, dtype=torch.float64)
        return Stack(torch.stack(parts["weight"]), torch.stack(parts["bias"]), rates)

    return HeadBank({reading: stack(reading) for reading in spec.readings()})


def test_a_bank_learns_as_the_reference_s_heads_do_one_by_one(probes: list[Arrays]) -> None:
    spec = ProbeSpec(rates=(1e-4, 1e-2, 1e-1))
    for data in probes:
        assert [head.name for head in spec.heads()] == json.loads(str(data["train/bank_names_json"]))
        bank, seen = bank_of(data, spec), features(data).inputs(spec.readings())
        bins, steps = torch.from_numpy(data["targets"]).long(), len(data["train/loss"])
        for number in range(steps):
            share = cosine(number, steps)
            np.testing.assert_allclose(
                [share * head.rate for head in spec.heads()], data["train/lr"][number], rtol=1e-9
            )
            np.testing.assert_allclose(bank.step(seen, bins, share), data["train/loss"][number], atol=1e-5)
        names = [head.name for head in spec.heads()]
        for key in (key for key in data if key.startswith("after/linear")):
            name = key.split("/")[1]
            place = names.index(name)
            weight = bank.stacks[spec.heads()[place].reading].weight.detach()[place % len(spec.rates)][:40]
            np.testing.assert_allclose(weight, data[key], atol=1e-5)
        assert any(
            np.allclose(np.moveaxis(logits.reshape(-1, 3, 40).numpy(), 1, 0), data["after/logits_best"], atol=1e-5)
            for logits in bank.logits(seen)
        )
