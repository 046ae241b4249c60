"""Lists that are small on disk and vast in memory are refused before they fill the process that plans."""

import io
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from tests.servers import ROOT

LIST = """
import resource, sys
from opendlign_core.errors import BadInput
from opendlign_core.ingestion import DirectoryFiles, SourceSpec, list_entries
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(len(list(list_entries(SourceSpec(adapter="list"), DirectoryFiles(sys.argv[1])))), "objects")
except BadInput as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def listed(folder: Path) -> tuple[str, int]:
    """What listing a folder ends with, and by how many MiB the listing process grew."""
    limited = lambda: resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))  # noqa: E731
    words = [sys.executable, "-c", LIST, str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, preexec_fn=limited)
    assert done.returncode == 0, done.stderr[-2000:]
    sentence, grown = done.stdout.splitlines()[-2:]
    return sentence, int(grown)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("member", ["labels", "split"])
def test_an_archive_that_unpacks_without_end(tmp_path: Path, member: str) -> None:
    vast = np.zeros(3 << 18, "<U128")
    arrays = {"points": np.zeros((1, 4, 3)), "labels": np.array(["mug"]), member: vast}
    with zipfile.ZipFile(tmp_path / "toys.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", npy(array))
    assert (tmp_path / "toys.npz").stat().st_size < 1 << 20
    sentence, grown = listed(tmp_path)
    assert "toys.npz" in sentence
    assert "unpacks" in sentence
    assert grown < 100


def test_a_table_that_repeats_a_long_text(tmp_path: Path) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * (1 << 20)]))
    uris = pa.array([f"{number}.off" for number in range(20_000)])
    parquet.write_table(pa.table({"uri": uris, "label": column}), tmp_path / "shapes.parquet")
    assert (tmp_path / "shapes.parquet").stat().st_size < 4 << 20
    sentence, grown = listed(tmp_path)
    assert "shapes.parquet" in sentence
    assert "unpacks" in sentence
    assert grown < 200
