"""Whole runs of a learner that has nothing to do with CLIP."""

import ast
from pathlib import Path

import pytest
import torch

from opendlign_core.errors import BadInput
from opendlign_core.loop import Diverged, Habits, Origin, Progress, Weights, read_metrics, read_weights, save_weights
from opendlign_core.loop.checkpoint import list_checkpoints, read_checkpoint
from opendlign_core.loop.files import write_tensors
from opendlign_core.loop.layout import CHECKPOINTS
from tests.loop.toy import LOUD, Line, Points, fit, points
from tests.servers import ROOT


class Killed(Exception):
    pass


@pytest.mark.parametrize("stop_at", range(1, 10))
def test_a_killed_run_continues_to_the_same_bytes(tmp_path: Path, stop_at: int) -> None:
    habits = Habits(log_every=2, checkpoint_every_steps=2)
    whole = fit(tmp_path / "whole", habits=habits)

    def kill(progress: Progress) -> None:
        if progress.step >= stop_at:
            raise Killed

    with pytest.raises(Killed):
        fit(tmp_path / "cut", habits=habits, on_progress=kill)
    kept = [read_checkpoint(path)[0].step for path in list_checkpoints(tmp_path / "cut" / CHECKPOINTS)]
    told: list[Progress] = []
    resumed = fit(tmp_path / "cut", habits=habits, on_progress=told.append)
    assert {progress.resumed for progress in told} == {max(kept, default=0)}
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    assert resumed.metrics.read_text() == whole.metrics.read_text()


def test_a_line_of_metrics_is_the_mean_of_its_steps(tmp_path: Path) -> None:
    every = read_metrics(fit(tmp_path / "every").metrics)
    few = read_metrics(fit(tmp_path / "few", habits=Habits(log_every=2)).metrics)
    assert [row["step"] for row in every] == list(range(1, 10))
    assert [row["step"] for row in few] == [2, 3, 5, 6, 8, 9], "an epoch of three steps ends its line"
    assert few[0]["total"] == pytest.approx((every[0]["total"] + every[1]["total"]) / 2)
    assert few[0]["slope"] == pytest.approx((every[0]["slope"] + every[1]["slope"]) / 2)
    assert few[1]["total"] == every[2]["total"]
    assert few[0]["lr"] == every[1]["lr"], "the learning rate is the last step's"


def test_a_loss_that_is_not_finite_stops_the_run_with_step_rate_and_remedy(tmp_path: Path) -> None:
    data = points()
    data.y[3] = torch.nan
    sentence = r"the loss of step [123] of 9 is not finite, at a learning rate of 0\.\d+; lower the rate"
    with pytest.raises(Diverged, match=sentence):
        fit(tmp_path, data=data)
    assert not (tmp_path / "weights.safetensors").exists()
    assert issubclass(Diverged, BadInput)


class Steep(Line):
    """Its loss is finite, its gradient is not, from the fourth step on."""

    steps = 0

    def loss(self, batch: Points, size: int) -> dict[str, torch.Tensor]:
        self.steps += 1
        root = (self.slope * 0).abs().sqrt().sum() if self.steps > 3 else self.slope.sum() * 0
        return {**super().loss(batch, size), "total": root + super().loss(batch, size)["total"]}


def test_a_gradient_that_is_not_finite_leaves_the_last_finite_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="the gradient of step 4 of 9 is not finite"):
        fit(tmp_path, Steep(), habits=Habits(log_every=100, checkpoint_every_steps=4))
    (newest,) = list_checkpoints(tmp_path / "checkpoints")
    weights, state = read_checkpoint(newest)
    assert weights.step == state["step"] == 3
    assert torch.isfinite(weights.tensors["slope"]).all()


def test_weights_that_are_not_finite_are_never_written(tmp_path: Path) -> None:
    path, origin = tmp_path / "w.safetensors", Origin("line/1", {})
    save_weights(path, Weights({"slope": torch.ones(2)}, origin, 1))
    with pytest.raises(Diverged, match=r"after step 2 are not finite \(slope\)"):
        save_weights(path, Weights({"slope": torch.tensor([1.0, torch.inf])}, origin, 2))
    assert read_weights(path).step == 1


class Leaping(Line):
    """Finite losses and gradients, and an update that overflows."""

    def after_update(self) -> None:
        self.slope.data.fill_(torch.inf)


def test_an_update_that_overflows_reaches_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        fit(tmp_path, Leaping(), habits=Habits(checkpoint_every_steps=1))
    assert not list_checkpoints(tmp_path / "checkpoints")


def test_a_validation_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    sentence = r"the validation after step 6 of 9 is not finite, at a learning rate of 0\.\d+; lower the rate"
    with pytest.raises(Diverged, match=sentence):
        fit(tmp_path, Line(scores=[0.5, float("nan"), 0.9]))
    (newest,) = list_checkpoints(tmp_path / "checkpoints")
    assert read_checkpoint(newest)[1]["validation"] == {"score": 0.5}


def test_a_run_stops_when_validation_no_longer_improves(tmp_path: Path) -> None:
    result = fit(tmp_path, Line(scores=[0.5, 0.5, 0.9]), habits=Habits(patience=1))
    assert (result.steps, result.stopped_early, result.validation) == (6, True, {"score": 0.5})
    assert not fit(tmp_path / "on", Line(scores=[0.5, 0.6, 0.7]), habits=Habits(patience=1)).stopped_early


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    origin = Origin("line/1", {"rate": 1, "seed": 2}, "abc")
    assert origin.difference(origin) == ""
    assert origin.difference(Origin("line/1", {"rate": 2}, "abc")) == (
        "rate: 2 there, 1 here; seed: null there, 2 here"
    )
    assert origin.difference(origin._replace(fingerprint="other")) == "its data"
    fit(tmp_path)
    weights, state = read_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1])
    assert (weights.origin, weights.step, state["step"]) == (Origin("line/1", {"rate": 1}), 9, 9)


def test_the_loop_knows_nothing_of_what_it_trains() -> None:
    allowed = ("opendlign_core.loop", "opendlign_core.errors", "opendlign_core.streams")
    for path in (ROOT / "opendlign_core" / "loop").glob("*.py"):
        tree = ast.parse(path.read_text())
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        ours = [name for name in names if name.startswith("opendlign_core")]
        assert all(name.startswith(allowed) for name in ours), (path.name, ours)
        assert "open_clip" not in path.read_text()


def test_progress_is_told_with_each_line(tmp_path: Path) -> None:
    seen: list[Progress] = []
    fit(tmp_path, habits=LOUD, on_progress=seen.append)
    assert [(progress.step, progress.steps, progress.epoch) for progress in seen[:4]] == [
        (1, 9, 0), (2, 9, 0), (3, 9, 0), (4, 9, 1),
    ]  # fmt: skip


def test_event_files_tell_what_the_metrics_tell_and_are_made_on_request_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    fit(tmp_path / "without")
    assert [path.name for path in tmp_path.iterdir()] == ["without"]
    assert not (tmp_path / "without" / "tensorboard").exists()
    result = fit(tmp_path / "with", Line(scores=[0.25]), habits=Habits(log_every=1, tensorboard=True))
    events = EventAccumulator(str(tmp_path / "with" / "tensorboard")).Reload()
    told = [(event.step, event.value) for event in events.Scalars("train/total")]
    rows = [row for row in read_metrics(result.metrics) if row["kind"] == "train"]
    assert told == [(row["step"], pytest.approx(row["total"])) for row in rows]
    assert [(event.step, event.value) for event in events.Scalars("validation/score")] == [(3, 0.25)]


def test_what_is_said_of_weights_has_one_spelling(tmp_path: Path) -> None:
    tensors = {"slope": torch.ones(2)}
    write_tensors(tmp_path / "one", tensors, {"step": 1, "recipe": {"a": 1, "b": 2}})
    write_tensors(tmp_path / "two", tensors, {"recipe": {"b": 2, "a": 1}, "step": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
