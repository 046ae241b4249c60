"""`opendlign preview`: depth maps of files and sources, and what looks wrong with them, without a trained model."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from flows.preset import load_preset
from opendlign.main import main
from opendlign.preview import NOTABLE, pinholes
from opendlign.upright import lies
from opendlign_core.ingestion.procedural import procedural_cloud, procedural_entry
from opendlign_core.projection import project


def category_cloud(category: str, number: int, points: int = 2048) -> NDArray[np.float32]:
    """A cloud [points, 3] of a category, y up."""
    place = next(index for index in range(47) if procedural_entry(0, index).label == category)
    return procedural_cloud(seed=number, index=place, points=points).points


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Mugs that lie unless z is up, one file that is no shape, and one that no reader takes."""
    folder = tmp_path / "shapes" / "mug"
    folder.mkdir(parents=True)
    for number in range(3):
        np.save(folder / f"{number}.npy", category_cloud("mug", number)[:, [0, 2, 1]])
    (folder / "broken.off").write_text("OFF\n")
    (tmp_path / "a.fbx").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return folder.parent


def preview(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(("preview", *words))
    return int(ended.value.code or 0)


def test_a_source_is_drawn_and_what_lies_or_is_broken_is_told(
    shapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preview("--source", f"folder:{shapes}", "--set", "ingest.points=1024") == 2
    told = " ".join(capsys.readouterr().out.split())
    assert "Depth maps: preview.png" in told
    assert "3 of 3 look as if they lie, such as mug/0.npy" in told
    assert "left out: mug/broken.off:" in told
    with Image.open("preview.png") as drawn:
        width, height = drawn.size
    assert width > 10 * 100
    assert height > 3 * 100


def test_a_name_with_a_line_break_is_read_and_told_on_one_line(
    shapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shapes / "new\nline.npy").write_bytes((shapes / "mug/0.npy").read_bytes())
    (shapes / b"odd\xff.off".decode(errors="surrogateescape")).write_text("OFF\n")
    assert preview(str(shapes / "new\nline.npy"), str(next(shapes.glob("odd*"))), "--set", "ingest.points=1024") == 2
    told = capsys.readouterr().out
    assert r"such as shapes/new\nline.npy".replace("shapes/", "") in told.replace(str(shapes) + "/", "")
    assert r"odd\xff.off: " in told


def test_another_axis_puts_shapes_upright(shapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert preview(str(shapes / "mug/0.npy"), "--up", "z", "--set", "ingest.points=1024", "--picture", "p.jpg") == 0
    told = capsys.readouterr().out
    assert "Depth maps: p.jpg" in told
    assert "look as if" not in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "name either files or a --source"),
        (("a.fbx",), "a.fbx has the suffix .fbx, which no reader takes: export it as .glb"),
        (("shapes", "--picture", "p.xyz"), "name a file that ends in .png"),
        (("shapes", "--picture", "absent/p.png"), "there is no folder absent"),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_once(
    shapes: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert preview(*words) == 2
    assert sentence in capsys.readouterr().err


def test_pinholes_are_told_from_the_holes_of_a_shape() -> None:
    depth = np.ones((1, 32, 32), np.float32)
    depth[0, 4:28, 4:28] = 0.5
    assert pinholes(depth) == 0
    depth[0, 10:18, 10:18] = 1  # a window
    assert pinholes(depth) == 0
    depth[0, 6, 6:26:2] = 1
    assert pinholes(depth) == pytest.approx(10 / (24 * 24 - 64 - 10))


def test_sparse_clouds_have_pinholes_and_dense_ones_hardly_any() -> None:
    recipe = load_preset("mini", ()).recipes["project"]
    found = {
        count: [pinholes(project(category_cloud(word, 0, count)[None], recipe)[0].numpy()) for word in ("car", "jar")]
        for count in (512, 8192)
    }
    assert min(found[512]) > NOTABLE > max(found[8192])


def test_shapes_of_every_kind_are_told_to_stand_or_to_lie() -> None:
    clouds = [procedural_cloud(seed=1, index=index, points=1024).points for index in range(94)]
    assert np.mean([lies(points) for points in clouds]) < 0.1
    assert np.mean([lies(points[:, [0, 2, 1]]) for points in clouds]) > 0.9


def test_classify_refuses_a_picture_that_could_not_be_written(
    shapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("a.npy", np.eye(3, dtype=np.float32))
    with pytest.raises(SystemExit):
        main(("classify", "a.npy", "--labels", "a,b", "--picture", "v.xyz"))
    assert "--picture v.xyz: name a file that ends in .png" in capsys.readouterr().err
