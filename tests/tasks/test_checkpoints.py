"""Checkpoints travel through the store; one that was cut off on its way does not count."""

from pathlib import Path

import pytest

from storage.local import LocalStore
from storage.store import Store
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


class Power(LocalStore):
    """A folder store that notes what changes in it, and fails once `left` changes are made."""

    def __init__(self, root: Path, left: int = 1000) -> None:
        super().__init__(root)
        self.left = left
        self.changes: list[str] = []

    def put_file(self, path: Path, key: str) -> None:
        self._spend(f"put {key.rpartition('/')[2]}")
        super().put_file(path, key)

    def delete(self, key: str) -> None:
        self._spend(f"delete {key.rpartition('/')[2]}")
        super().delete(key)

    def _spend(self, change: str) -> None:
        if self.left == 0:
            raise ConnectionError("cut off")
        self.left -= 1
        self.changes.append(change)


def test_the_state_comes_last_and_goes_first(tmp_path: Path) -> None:
    store = Power(tmp_path / "store")
    kept = StoredCheckpoints(store, "checkpoints/train/abc", keep=1)
    for step in (10, 20):
        kept.save(write_checkpoint(tmp_path / "work", step), tmp_path / "work")
    put = ["put metrics.jsonl", "put weights.safetensors", "put state.pt"]
    assert store.changes == [*put, *put, "delete state.pt", "delete weights.safetensors", "delete metrics.jsonl"]


@pytest.mark.parametrize("changes", range(6))
def test_a_run_that_is_cut_off_at_any_change_leaves_a_whole_checkpoint(changes: int, tmp_path: Path) -> None:
    store = Power(tmp_path / "store")
    kept = StoredCheckpoints(store, "checkpoints/train/abc", keep=1)
    kept.save(write_checkpoint(tmp_path / "work", 10), tmp_path / "work")
    store.left = changes
    with pytest.raises(ConnectionError):
        kept.save(write_checkpoint(tmp_path / "work", 20), tmp_path / "work")
    (tmp_path / "elsewhere").mkdir()
    step = 10 if changes < 3 else 20
    assert kept.restore(tmp_path / "elsewhere") == f"step-{step:08d}"
    local = tmp_path / "elsewhere" / "checkpoints" / f"step-{step:08d}"
    assert (local / "state.pt").read_bytes() == f"state {step}".encode()
    assert (local / "weights.safetensors").read_bytes() == f"weights {step}".encode()
    assert (tmp_path / "elsewhere" / "metrics.jsonl").read_text() == f"metrics up to {step}\n"
