"""Names of boxes in a picture, none over another where there is room beside it."""

from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw, ImageFont

from opendlign_core.pictures import colour_of

SIZE, LINE = 13, 17
"""Pixels of the letters and from one line to the next."""
TRIES = 8
"""Lines below and above its box on which a caption looks for room; then it covers another."""
Frame = tuple[float, float, float, float]


def write_captions(
    picture: Image.Image, places: Sequence[tuple[float, float]], captions: Sequence[str], marks: Sequence[int]
) -> None:
    """Write each caption near its place, in the colour of its mark; the first have the choice."""
    pen, font, taken = ImageDraw.Draw(picture), ImageFont.load_default(size=SIZE), list[Frame]()
    for place, caption, mark in zip(places, captions, marks, strict=True):
        wide = font.getlength(caption) + 2
        frames = list(_near(place, wide, picture.size))
        frame = next((one for one in frames if not any(_meet(one, other) for other in taken)), frames[0])
        taken.append(frame)
        pen.rectangle(frame, fill=colour_of(mark))
        pen.text((frame[0] + 1, frame[1]), caption, _legible(mark), font)


def _near(place: tuple[float, float], wide: float, size: tuple[int, int]) -> Iterator[Frame]:
    """Frames inside the picture, the nearest first."""
    left = max(0.0, min(place[0], size[0] - wide))
    for lines in sorted(range(-TRIES, TRIES + 1), key=abs):
        top = max(0.0, min(place[1] + lines * LINE, size[1] - LINE))
        yield left, top, left + wide, top + LINE - 1


def _meet(one: Frame, other: Frame) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _legible(mark: int) -> tuple[int, int, int]:
    return (0, 0, 0) if sum(colour_of(mark)) > 330 else (255, 255, 255)
