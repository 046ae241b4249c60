"""Checkpoints travel through the store; one that was cut off on its way does not count."""

from pathlib import Path

from storage.stores import Store
from tasks.checkpoints import StoredCheckpoints


def write_checkpoint(workdir: Path, step: int) -> Path:
    folder = workdir / "checkpoints" / f"step-{step:08d}"
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(f"weights {step}".encode())
    (folder / "state.pt").write_bytes(f"state {step}".encode())
    (workdir / "metrics.jsonl").write_text(f"metrics up to {step}\n")
    return folder


def test_a_run_continues_elsewhere_from_the_newest_checkpoint(store: Store, tmp_path: Path) -> None:
    kept = StoredCheckpoints(store, "checkpoints/train/abc", keep=2)
    for step in (10, 20, 30):
        kept.save(write_checkpoint(tmp_path / "first", step), tmp_path / "first")
    elsewhere = tmp_path / "second"
    elsewhere.mkdir()
    assert kept.restore(elsewhere) == "step-00000030"
    assert (elsewhere / "checkpoints/step-00000030/state.pt").read_bytes() == b"state 30"
    assert (elsewhere / "metrics.jsonl").read_text() == "metrics up to 30\n"
    steps = {info.key.split("/")[3] for info in store.list("checkpoints")}
    assert steps == {"step-00000020", "step-00000030"}


def test_a_checkpoint_without_its_state_is_passed_over(store: Store, tmp_path: Path) -> None:
    kept = StoredCheckpoints(store, "checkpoints/train/abc", keep=3)
    for step in (10, 20):
        kept.save(write_checkpoint(tmp_path / "first", step), tmp_path / "first")
    store.delete("checkpoints/train/abc/step-00000020/state.pt")
    (tmp_path / "second").mkdir()
    assert kept.restore(tmp_path / "second") == "step-00000010"


def test_nothing_to_restore_and_nothing_left_after_clearing(store: Store, tmp_path: Path) -> None:
    kept = StoredCheckpoints(store, "checkpoints/train/abc", keep=3)
    assert kept.restore(tmp_path) is None
    kept.save(write_checkpoint(tmp_path / "first", 10), tmp_path / "first")
    kept.clear()
    assert list(store.list("checkpoints")) == []
