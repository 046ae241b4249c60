"""HDF5 can name other files, load code and point in circles: only what lies plainly in the file itself is read."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import DirectoryFiles, SourceSpec, UnreadableShape, list_entries, read_shape
from tests.servers import ROOT

POINTS = np.random.default_rng(0).normal(size=(2, 16, 3)).astype(np.float32)
LABELS = np.array([0, 4])


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "private" / "secret.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["data"], file["label"], file["cloud"] = POINTS, LABELS, POINTS[0]
    (tmp_path / "source/main_split").mkdir(parents=True)
    return path


def external_link(file: h5py.File, name: str, secret: Path) -> None:
    file[name] = h5py.ExternalLink(str(secret), name)


def soft_link(file: h5py.File, name: str, secret: Path) -> None:
    with h5py.File(secret) as other:
        file.create_dataset("elsewhere", data=other[name][()])
    file[name] = h5py.SoftLink("/elsewhere")


def virtual_set(file: h5py.File, name: str, secret: Path) -> None:
    with h5py.File(secret) as other:
        shape, dtype = other[name].shape, other[name].dtype
    layout = h5py.VirtualLayout(shape, dtype)
    layout[...] = h5py.VirtualSource(str(secret), name, shape)
    file.create_virtual_dataset(name, layout)


def raw_file(file: h5py.File, name: str, secret: Path) -> None:
    with h5py.File(secret) as other:
        values = other[name][()]
    raw = secret.with_suffix(".raw")
    raw.write_bytes(values.tobytes())
    file.create_dataset(name, values.shape, values.dtype, external=[(str(raw), 0, values.nbytes)])


def plugin_filter(file: h5py.File, name: str, secret: Path) -> None:
    with h5py.File(secret) as other:
        shape = other[name].shape
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk(shape)
    settings.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    space, kind = h5py.h5s.create_simple(shape), h5py.h5t.NATIVE_INT64 if name == "label" else h5py.h5t.IEEE_F32LE
    h5py.h5d.create(file.id, name.encode(), kind, space, settings)


TRICKS = (external_link, soft_link, virtual_set, raw_file, plugin_filter)
Trick = Callable[[h5py.File, str, Path], None]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_cloud_elsewhere_is_not_read(trick: Trick, secret: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        trick(file, "cloud", secret)
    with pytest.raises(UnreadableShape, match=r"hard link|other files|filter"):
        read_shape(tmp_path / "a.h5", "cloud")


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("name", ["label", "data"])
def test_labels_elsewhere_are_not_listed(trick: Trick, name: str, secret: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "source/main_split/test_objectdataset.h5", "w") as file:
        for other, values in {"data": POINTS, "label": LABELS}.items():
            if other != name:
                file[other] = values
        trick(file, name, secret)
    source = SourceSpec(adapter="scanobjectnn", options={"variant": "OBJ_BG"})
    with pytest.raises(BadInput, match=r"test_objectdataset\.h5.*(hard link|other files|filter)"):
        list(list_entries(source, DirectoryFiles(tmp_path / "source")))


def test_usual_compression_is_read(tmp_path: Path) -> None:
    usual: list[dict[str, Any]] = [
        {"compression": "gzip", "shuffle": True},
        {"compression": "lzf"},
        {"fletcher32": True},
    ]
    for number, options in enumerate(usual):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file.create_dataset("points", data=POINTS[0], **options)
        np.testing.assert_array_equal(read_shape(tmp_path / f"{number}.h5").points, POINTS[0])  # type: ignore[union-attr]


LIST = """
import sys
from opendlign_core.ingestion import DirectoryFiles, SourceSpec, list_entries
source = SourceSpec(adapter="scanobjectnn", options={"variant": "OBJ_BG"})
assert len(list(list_entries(source, DirectoryFiles(sys.argv[1])))) == 2
print("h5py" in sys.modules)
"""


def test_the_process_that_plans_never_opens_a_pack(secret: Path, tmp_path: Path) -> None:
    secret.rename(tmp_path / "source/main_split/test_objectdataset.h5")
    words = [sys.executable, "-c", LIST, str(tmp_path / "source")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
