"""Keys of samples: reversible, tar-safe, one per object."""

from hypothesis import example, given
from hypothesis import strategies as st

from opendlign_core.samples import object_id, sample_key


@given(st.text(alphabet=st.characters()))
@example("a/b.c~d%2F e")
@example("../..")
@example("\ud800")
@example("x" * 5000)
def test_keys_turn_back_and_are_tar_safe(name: str) -> None:
    key = sample_key(name)
    assert object_id(key) == name
    assert not set(key) & set("./~ ")
    assert key.isascii()


@given(st.text(), st.text())
@example("a%2Fb", "a/b")
@example("a.b", "a%2Eb")
def test_different_ids_have_different_keys(left: str, right: str) -> None:
    assert (sample_key(left) == sample_key(right)) == (left == right)
