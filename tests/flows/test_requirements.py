"""What is lacking is said before anything runs: weights, a device, room, objects to train on."""

from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from flows.plan import survey_graph
from flows.preset import load_preset
from flows.regenerate import regenerate
from flows.requirements import requirements
from flows.sources import SourceAbsent, list_sources, require_usable
from opendlign.main import main
from opendlign_core.clip import ClipSpec
from opendlign_core.training import TrainRecipe
from storage.stores import open_store
from tasks.registry import STAGES
from tasks.requirements import Requirement, clip_weights, hub_model, room
from tasks.stage import Views

TINY = ("ingest.source.options.objects=8", "ingest.points=128", "ingest.shard_size=8")


def ended(*words: str) -> object:
    with pytest.raises(SystemExit) as left:
        main(words)
    return left.value.code


def needed(store: Path, *changes: str, preset: str = "mini") -> dict[str, Requirement]:
    chosen = load_preset(preset, changes)
    sources, opened = list_sources(chosen), open_store(str(store))
    planned = survey_graph(opened, chosen.graph, sources)
    return {one.name: one for one in requirements(opened, planned, sources, chosen.executions)}


def test_a_plan_names_weights_device_and_room_once(tmp_path: Path) -> None:
    found = needed(tmp_path / "store", *TINY)
    assert list(found) == ["weights of mini", "room in the store"]
    assert found["weights of mini"].state.endswith(" MB") and not any(one.problem for one in found.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_run_names_all_that_is_lacking_at_once_and_plan_ends_as_run_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    words = ("--preset", "vit-b-32", "--set", "execution.train.device=cuda", "--store", str(tmp_path / "store"))
    lacking = ("the weights of ViT-B-32", "'cuda' was asked for, but this machine has no usable GPU", "shapenet: ")
    assert ended("run", *words) == 2
    refusal = capsys.readouterr().err
    assert all(words in refusal for words in lacking) and len(refusal.splitlines()) == 1
    assert ended("plan", *words) == 2
    told = capsys.readouterr()
    assert all(words in told.out for words in lacking) and not told.err
    assert ended("plan", "--store", str(tmp_path / "store")) == 0
    assert not (tmp_path / "store").exists()


def test_published_weights_are_looked_for_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    spec = ClipSpec(model="ViT-B-32", weights="datacomp_xl_s13b_b90k", revision="f0e2")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    (online,) = clip_weights(spec)
    assert online.state == "fetched from the hub when first needed" and not online.problem
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (offline,) = clip_weights(spec)
    assert "not in the cache" in offline.problem and "HF_HUB_OFFLINE forbids to fetch them" in offline.problem
    for folder in ("models--laion--b32/snapshots/f0e2", "models--org--painter/snapshots/aa"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "weights.safetensors").write_bytes(bytes(2_000_000))
    (cached,) = clip_weights(spec)
    assert cached.state == "2.0 MB in the cache" and not cached.problem
    assert hub_model("org/painter", "aa").state == "2.0 MB in the cache"
    assert hub_model("org/painter", "bb").problem


def test_a_file_of_weights_that_is_not_there_is_named(tmp_path: Path) -> None:
    (found,) = clip_weights(ClipSpec(model="mine", weights=str(tmp_path / "w.safetensors"), weights_sha256="0" * 64))
    assert f"there are no weights at {tmp_path / 'w.safetensors'}" in found.problem


def test_room_is_told_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert not room(str(tmp_path / "a" / "b"), 1000).problem
    assert "takes about 1152921504.6 GB: free some" in room(str(tmp_path / "a"), 1 << 60).problem


def test_room_counts_maps_images_and_the_cached_tokens() -> None:
    stages, preset = {stage.name: stage for stage in STAGES}, load_preset("vit-h-14", ())
    each = {name: stages[name].bytes_each(preset.recipes[name], Views(10, 224)) for name in ("project", "synthesize")}
    cached = TrainRecipe.official()
    plain = cached.model_copy(update={"trainer": "plain"})
    assert stages["train"].bytes_each(cached, Views(10, 224)) == 10 * 257 * 1280 * 4
    assert stages["train"].bytes_each(plain, Views(10, 224)) == 0
    assert each["synthesize"] - each["project"] == 10 * 11_000


def test_a_list_of_test_rows_alone_trains_nothing(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("uri,label,split\na.off,mug,test\n")
    (tmp_path / "a.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    source = f"ingest.source={{adapter: list, url: {tmp_path}, options: {{list: list.csv}}}}"
    preset = load_preset("mini", [source])
    with pytest.raises(SourceAbsent, match=r"nothing to train on: no object is in the split train \(there is test\)"):
        require_usable(preset.graph, list_sources(preset))


@pytest.mark.server
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("flows")
def test_finished_outputs_need_nothing(tmp_path: Path) -> None:
    few = ["ingest.source.options.objects=40", "ingest.source.options.categories=chair,mug,table,lamp"]
    changes = ["evaluate.options.segmentation.answers=[corrected]", *few, *TINY[1:]]
    regenerate("mini-parts", str(tmp_path), changes)
    assert needed(tmp_path, *changes, preset="mini-parts") == {}
