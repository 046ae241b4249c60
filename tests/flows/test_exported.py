"""A trained model as other programs take it, and the cards that go with models and data sets."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import yaml

import opendlign_core as od
from opendlign.main import main
from opendlign.models import Which, find
from opendlign_core.api.model import SHAPES_FILE
from opendlign_core.training import BRANCH_FILE, DepthAlignedCLIP, read_branch
from opendlign_core.training.depth_branch.folder import TRAINED_SHARE
from storage.output import load_manifest
from storage.stores import open_store
from tasks.cards import clip_data
from tasks.report import read_results
from tests.flows.planning import fingerprints

pytestmark = [pytest.mark.server, pytest.mark.timeout(600), pytest.mark.xdist_group("flows")]


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr()
    assert ended.value.code == code, told.err
    return told.out + told.err


@pytest.fixture
def export(finished_store: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, ...]:
    return ("weights", "export", "--store", str(finished_store))


@pytest.fixture
def trained(finished_store: Path) -> DepthAlignedCLIP:
    encoder = find(Which(store=str(finished_store))).model.encoder
    assert isinstance(encoder, DepthAlignedCLIP)
    return encoder


def pixels() -> torch.Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_open_clip_loads_the_frozen_tower_exactly(
    export: tuple[str, ...], trained: DepthAlignedCLIP, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clip"
    run(capsys, *export, str(folder), "--format", "open-clip")
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1, "whoever may read one may read all"
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.SimpleTokenizer(context_length=77)(["a mug", "a chair"])
    with torch.inference_mode():
        assert torch.allclose(model.eval().encode_image(pixels()), trained.clip.encode_image(pixels()), atol=1e-6)
        assert torch.allclose(model.encode_text(tokens), trained.clip.encode_text(tokens), atol=1e-6)
    normalise = transform.transforms[-1]
    assert tuple(normalise.mean) == pytest.approx((0.485, 0.456, 0.406))


def test_python_loads_the_folder_with_its_depth_branch(
    export: tuple[str, ...], finished_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clip"
    run(capsys, *export, str(folder), "--format", "open-clip")
    stored, exported = od.load(finished_store, device="cpu"), od.load(folder, device="cpu")
    assert exported.seeing == stored.seeing
    shapes = [od.toy("mug"), od.toy("chair")]
    assert np.array_equal(od.embed(exported, shapes), od.embed(stored, shapes))
    (folder / BRANCH_FILE).unlink()
    assert not np.array_equal(od.embed(od.load(folder, device="cpu"), shapes), od.embed(stored, shapes))


def test_a_depth_tower_lies_between_both(
    export: tuple[str, ...], trained: DepthAlignedCLIP, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clip"
    run(capsys, *export, str(folder), "--format", "open-clip", "--tower", "depth")
    assert not (folder / BRANCH_FILE).exists() and (folder / SHAPES_FILE).exists()
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    name = "attn.in_proj_weight"
    frozen, branch = (
        block.state_dict()[name] for block in (trained.clip.visual.transformer.resblocks[-1], trained.depth_blocks[0])
    )
    mixed = model.visual.transformer.resblocks[-1].state_dict()[name]
    assert torch.allclose(mixed, (1 - TRAINED_SHARE) * frozen + TRAINED_SHARE * branch, atol=1e-7)
    with torch.inference_mode():
        found, wanted = model.eval().encode_image(pixels()), trained.encode_image(pixels(), "depth")
        assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in untouched(trained).items())
        assert near(found, wanted) > near(trained.encode_image(pixels()), wanted)


def untouched(trained: DepthAlignedCLIP) -> dict[str, torch.Tensor]:
    """What a depth tower leaves as it was."""
    last = f"visual.transformer.resblocks.{len(trained.clip.visual.transformer.resblocks) - 1}."
    return {name: tensor for name, tensor in trained.clip.state_dict().items() if not name.startswith(last)}


def near(features: torch.Tensor, others: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(features, others).mean())


def test_the_trained_tensors_alone(
    export: tuple[str, ...], trained: DepthAlignedCLIP, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, *export, str(tmp_path / "branch.safetensors"), "--format", "safetensors")
    found = read_branch(tmp_path / "branch.safetensors")
    assert found.tensors.keys() == trained.branch_state().keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in trained.branch_state().items())


def test_what_cannot_be_exported_is_refused(
    export: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    told = run(capsys, *export, str(tmp_path / "full"), "--format", "open-clip", code=2)
    assert "is there already; name a new folder" in told
    told = run(capsys, *export, str(tmp_path / "x.pth"), "--tower", "depth", code=2)
    assert "--tower depth is a choice of --format open-clip" in told
    assert "TARGET x: name a file that ends in .pth" in run(capsys, *export, "x", code=2)
    told = run(capsys, *export, str(tmp_path / "no" / "x.safetensors"), "--format", "safetensors", code=2)
    assert f"there is no folder {tmp_path / 'no'}" in told
    assert "there is no folder" in run(capsys, *export, str(tmp_path / "no" / "x"), "--format", "open-clip", code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_a_model_card_holds_data_recipe_licences_and_numbers(
    export: tuple[str, ...], finished_store: Path, tiny_preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, *export, str(tmp_path / "clip"), "--format", "open-clip")
    text = (tmp_path / "clip" / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["library_name"] == "open_clip"
    chain, store = fingerprints(finished_store, tiny_preset), open_store(finished_store)
    assert front["license"] == "other"
    splits = load_manifest(store, "synthesize", chain["synthesize"]).summary["splits"]
    counts = (splits["train"], splits["val"], splits["test"])
    assert sum(counts) < 40, "the gate of this chain refuses some images"
    assert f"| procedural | {' | '.join(map(str, counts))} | CC0-1.0 ({splits['train']}) |" in text
    assert "The CLIP tiny itself has random weights" in text
    assert "no depth map. No photograph" in " ".join(clip_data({"model": "mini", "weights": "package:mini"}))
    assert all(
        f"`{stage}/{chain[stage]}`" in text for stage in ("ingest", "project", "synthesize", "train", "evaluate")
    )
    assert "epochs 2" in text and "create_model_and_transforms" in text
    results = read_results(store, load_manifest(store, "evaluate", chain["evaluate"]))
    from opendlign_core.evaluation import all_headlines

    for _, headline in all_headlines(results):
        assert f"| {headline.dataset} | {headline.method} |" in text
        assert f"| {100 * headline.value:.1f} |" in text


def test_a_data_card_counts_what_is_there(
    finished_store: Path, tiny_preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = fingerprints(finished_store, tiny_preset)
    manifest = load_manifest(open_store(finished_store), "synthesize", chain["synthesize"])
    out = tmp_path / "README.md"
    named, store = f"synthesize/{chain['synthesize'][:6]}", str(finished_store)
    run(capsys, "data", "card", named, "--store", store, "--out", str(out))
    text = out.read_text()
    assert yaml.safe_load(text.split("---\n")[1])["size_categories"] == ["n<1K"]
    assert f"# {manifest.samples} objects, synthesize" in text
    assert all(f"| {split} | {count} |" in text for split, count in manifest.summary["splits"].items())
    assert f"{manifest.rejected} objects were left out" in text
    printed = run(capsys, "data", "card", f"train/{chain['train'][:6]}", "--store", store)
    assert "with a depth branch" in printed
