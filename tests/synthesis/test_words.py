import pytest

from opendlign_core.synthesis.words import COLOURS, Look, read_look


def test_colours_materials_and_patterns_are_found() -> None:
    look = read_look("A realistic red wooden chair, best quality, sharp edge, normal.")
    assert look == Look(colours=(COLOURS["red"],), material="wood")
    assert read_look("a yellow and black striped lamp") == Look((COLOURS["yellow"], COLOURS["black"]), None, "stripes")
    assert read_look("A realistic office chair, best quality.") == Look()


@pytest.mark.parametrize(
    ("prompt", "colours", "backdrop"),
    [
        ("a red mug on a blue background", ("red",), "blue"),
        ("a red mug with white background", ("red",), "white"),
        ("green bottle, plain grey backdrop", ("green",), "grey"),
        ("a blue car against a busy background", ("blue",), None),
        ("a white cup", ("white",), None),
    ],
)
def test_the_backdrops_colour_is_not_the_objects(prompt: str, colours: tuple[str, ...], backdrop: str | None) -> None:
    look = read_look(prompt)
    assert look.colours == tuple(COLOURS[name] for name in colours)
    assert look.backdrop == (COLOURS[backdrop] if backdrop else None)


def test_shades_darken_and_lighten() -> None:
    red = COLOURS["red"]
    assert read_look("dark red sofa").colours[0][0] < red[0]
    assert read_look("pale red sofa").colours[0][1] > red[1]


def test_words_inside_words_do_not_count() -> None:
    assert read_look("a tired tank in the reddest tangle") == Look()
    assert read_look("an ice cream").colours == ()
