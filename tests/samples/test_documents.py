"""The examples of docs/storage.md and docs/python.md run as they are written, on files that lie where they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

import opendlign_core as od
from opendlign_core.samples import Cloud, CloudMeta, DepthMaps, ImageRecipe, Painted, PaintedMeta, encode_image
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.stores import open_store
from tasks.shards import building, finish
from tasks.urls import shard_urls
from tests.servers import ROOT


def examples(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


SOMEBODY_S = "0123456789abcdef0123"
"""The fingerprint in the examples."""


def write_output(stage: str, samples: list[Cloud | Painted]) -> Manifest:
    """Two shards in the folder `store`."""
    output = StageOutput(open_store("store"), StageIdentity(stage=stage, version=1, recipe={}, upstream={}))
    plan = plan_shards(len(samples), len(samples) // 2)
    for shard in plan:
        with building(output, shard) as builder:
            for sample in samples[shard.start : shard.stop]:
                builder.add(sample)
    return finish(output, plan, max_rejected_share=0.0)


def cloud(number: int) -> Cloud:
    meta = CloudMeta(object_id=f"toys/{number}", source="toys", split="train", label="toy", caption="a toy")
    return Cloud(meta, np.zeros((8, 3), np.float32))


def painted(number: int) -> Painted:
    depth = DepthMaps.of(cloud(number).meta, np.ones((4, 16, 16), np.float32))
    image = encode_image(np.zeros((16, 16, 3), np.uint8), ImageRecipe())
    return Painted(PaintedMeta.of(depth.meta), depth.encoded, (image,) * 4, "webp")


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clouds, images = (
        write_output("ingest", [*map(cloud, range(6))]),
        write_output("synthesize", [*map(painted, range(6))]),
    )
    urls = shard_urls(open_store("store"), images)
    Path("shards.txt").write_text("".join(f"{url}\n" for url in urls))
    written = examples("storage.md")
    assert len(written) == 2
    for example in written:
        run_alone(example.replace(SOMEBODY_S, clouds.fingerprint).replace("1000, 2000", "1, 5"), CHECKS)


def test_the_examples_from_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mug = od.toy("mug")
    trimesh.Trimesh(mug.vertices, mug.faces, process=False).export("mug.glb")
    images = write_output("synthesize", [*map(painted, range(6))])
    Path("shards.txt").write_text("".join(f"{url}\n" for url in shard_urls(open_store("store"), images)))
    shapes, shards, _ = examples("python.md")
    run_alone(shapes, "assert found.prediction == 'mug' and images.shape == (10, 224, 224, 3)")
    run_alone(shards, "assert len(painted) == 6 and len(list(loader)) == 3 and sample['json']['label'] == 'toy'")


def test_the_example_with_datasets_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets", reason="the datasets library is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    images = write_output("synthesize", [*map(painted, range(6))])
    # Its library takes bare paths.
    paths = [url.removeprefix("file://") for url in shard_urls(open_store("store"), images)]
    Path("shards.txt").write_text("".join(f"{path}\n" for path in paths))
    checks = "assert sample['json']['object_id'] == 'toys/5' and maps.shape == (4, 16, 16) and maps.min() == 1"
    run_alone(examples("python.md")[2], f"{checks}\nassert np.asarray(sample['00.webp']).shape == (16, 16, 3)")


def run_alone(example: str, checks: str) -> None:
    """In a process of its own: loader workers that a process full of threads forks are no fair example."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{example}\n{checks}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


CHECKS = """
from opendlign_core.samples import Cloud, Painted
for kind in (Cloud, Painted):
    found = globals().get(kind.__name__.lower())
    assert found is None or isinstance(found, kind)
assert "cloud" in globals() or tuple(picture.shape) == (16, 16, 3)
"""
