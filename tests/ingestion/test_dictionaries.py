import pickle
from pathlib import Path

import numpy as np
import pytest

from opendlign_core.ingestion import UnreadableShape, load_array_dictionary
from tests.ingestion import samples


def test_a_dictionary_of_arrays_comes_back_exactly(tmp_path: Path) -> None:
    content = {
        "xyz": np.arange(30, dtype=np.float32).reshape(10, 3),
        "rgb": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
        "big": np.arange(4, dtype=">f8"),
        "scalar": np.float64(2.5),
        "names": np.array(["a", "bc"]),
        "ragged": np.array([[1], [2, 3]], dtype=object),
        "nested": {"list": [1, 2.5, "x", None, True], "tuple": (1, b"raw")},
    }
    content["again"] = content["xyz"]
    (tmp_path / "a.npy").write_bytes(samples.npy_dictionary(content))
    loaded = load_array_dictionary(tmp_path / "a.npy")
    assert loaded.keys() == content.keys()
    for key in ("xyz", "rgb", "big", "names", "again", "ragged"):
        np.testing.assert_array_equal(loaded[key], content[key])
    assert loaded["xyz"].dtype == np.float32
    assert loaded["rgb"].dtype == np.uint8
    assert loaded["scalar"] == 2.5
    assert loaded["nested"] == content["nested"]


def test_reading_leaves_the_dtypes_of_this_process_alone() -> None:
    load_array_dictionary(samples.npy_dictionary({"big": np.arange(4, dtype=">f8"), "small": np.arange(4.0)}))
    assert np.dtype("f8").byteorder == "="
    assert np.dtype(object).hasobject


def test_older_pickles_are_read() -> None:
    content = {"xyz": np.arange(6, dtype=np.float32).reshape(2, 3), "text": "x"}
    for protocol in (0, 1, 2, 3, 4):
        loaded = load_array_dictionary(samples.raw_pickle(pickle.dumps(content, protocol=protocol)))
        np.testing.assert_array_equal(loaded["xyz"], content["xyz"])


def test_nothing_a_pickle_names_is_executed(tmp_path: Path) -> None:
    witness = tmp_path / "executed"
    with pytest.raises(UnreadableShape, match="system, which is neither"):
        load_array_dictionary(samples.dangerous_pickle(f"touch {witness}"))
    assert not witness.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
        b"cbuiltins\ngetattr\n(cnumpy\nndarray\nS'__class__'\ntR.",
        b"cbuiltins\nbytes\n(J\xff\xff\xff\x7ftR.",
        b"cnumpy\nndarray\n((J\xff\xff\xff\x7ftR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(J\xff\xff\xff\x7ftS'b'\ntR.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00.",
        b"\x80\x04}r\xff\xff\xff\xff.",
        b"cnumpy\ndtype\n(S'V4294967295'\ntR.",
        b"(lp0\n.",
        b"garbage",
        b"",
    ],
)
def test_hostile_pickles_are_refused(content: bytes) -> None:
    with pytest.raises(UnreadableShape):
        result = load_array_dictionary(samples.raw_pickle(content))
        # A memo index of four billion is harmless to a memo that is a dictionary.
        assert result == {}
        raise UnreadableShape("read as an empty dictionary")


def test_an_array_whose_state_does_not_match_its_data() -> None:
    pickled = pickle.dumps({"xyz": np.zeros((2, 3), dtype=np.float32)}, protocol=2)
    damaged = pickled.replace(b"K\x02K\x03\x86", b"K\x7fK\x03\x86")
    assert damaged != pickled
    with pytest.raises(UnreadableShape, match="does not match its data"):
        load_array_dictionary(samples.raw_pickle(damaged))


def test_plain_arrays_are_told_apart() -> None:
    with pytest.raises(UnreadableShape, match="plain array"):
        load_array_dictionary(samples.npy())
