"""Text ensembles: open_clip's eighty ImageNet templates, and their rewording for depth maps, built by rule.

A template holds one or more `{}`; each is filled with the class name. The rewording keeps the order, because the rules
that choose "2D model" or "3D model" and one of the two tails depend on the position.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.lists import read_list

TextName = Literal["imagenet", "depth", "depth-scanobjectnn", "name", "sentence"]

SENTENCE = "a gray depth map of a {}."

_TAIL = ", a raytraced image, image dataset, kinetic pointillism"
_SILHOUETTE = ", a silhouette of a {}" + _TAIL
_ROUGH = ", a rough {} object in the middle" + _TAIL
_ROUGH_FIRST, _ROUGH_LAST = 53, 78
_FLAT_FIRST, _FLAT_LAST = 12, 45
"""Positions whose bare nouns ("a {}", "the {}") become 2D models; all other nouns are 3D models."""
_SKETCH = 79
"""The second tattoo of the list becomes a sketch."""
_SCAN = 16
"""The template that the ScanObjectNN list ends differently."""
_CLEAN_PHOTOS = ("the cool {}", "the dirty {}", "the {}", "one {}")
"""What a plain photo shows when its depth image is not called noisy."""


def imagenet_templates() -> tuple[str, ...]:
    """The eighty templates as open_clip ships them."""
    from opendlign_core.clip.borrowed import borrowed

    return tuple(template("{}") for template in borrowed("zero_shot_metadata").OPENAI_IMAGENET_TEMPLATES)


def depth_templates(plain: Sequence[str], scan: bool = False) -> tuple[str, ...]:
    """Reword templates for depth maps; `scan` gives the ScanObjectNN list, which differs in one template."""
    worded = [_reword(template, position) for position, template in enumerate(plain)]
    if scan and len(worded) > _SCAN:
        worded[_SCAN] = worded[_SCAN].removesuffix(".") + ", 3D."
    return tuple(worded)


def _reword(template: str, position: int) -> str:
    text = template.removesuffix(".").removesuffix(" in a video game").replace("many {}", "a {}")
    if position == _SKETCH:
        text = text.replace("tattoo", "sketch")
    medium, subject = _split(text)
    tail = _ROUGH if _ROUGH_FIRST <= position <= _ROUGH_LAST else _SILHOUETTE
    return _depth_medium(medium, subject) + _noun(medium, subject, position) + tail + "."


def _split(text: str) -> tuple[str, str]:
    """'a bad photo of the {}' -> ('a bad photo of ', 'the {}'); subjects may have no medium."""
    match = re.fullmatch(r"(.* of |graffiti of |)(.*\{\})", text)
    if match is None:
        raise BadInput(f"template {text!r} does not end in its noun slot; rewording expects '... {{}}'")
    return match.group(1), match.group(2)


def _depth_medium(medium: str, subject: str) -> str:
    if medium == "a photo of ":
        return "a depth image of " if subject in _CLEAN_PHOTOS else "a noisy depth image of "
    return medium.replace("black and white", "gray and white").replace("photo", "depth image")


def _noun(medium: str, subject: str, position: int) -> str:
    bare = subject in ("a {}", "the {}")
    already_gray = "black and white" in medium and subject == "the {}"
    if bare and not already_gray:
        subject = subject.replace("{}", "gray {}")
    flat = bare and _FLAT_FIRST <= position <= _FLAT_LAST
    background = " with white background" if subject.startswith("a gray") else ""
    return f"{subject} {'2D' if flat else '3D'} model{background}"


def named_templates(name: TextName) -> tuple[str, ...]:
    """The templates behind a recipe's name for them."""
    if name == "name":
        return ("{}",)
    if name == "sentence":
        return (SENTENCE,)
    plain = imagenet_templates()
    return plain if name == "imagenet" else depth_templates(plain, scan=name == "depth-scanobjectnn")


def resolve_templates(text: TextName | tuple[str, ...]) -> tuple[str, ...]:
    """A recipe's `text` as templates."""
    return named_templates(text) if isinstance(text, str) else text


def check_templates(templates: Sequence[str], origin: str) -> tuple[str, ...]:
    """Refuse templates without a class slot; the error names `origin`."""
    if not templates:
        raise BadInput(f"{origin} holds no templates; expected one per line or a JSON list")
    for template in templates:
        if "{}" not in template:
            raise BadInput(f"template {template!r} in {origin} has no {{}} for the class name")
    return tuple(templates)


def read_templates(path: Path) -> tuple[str, ...]:
    """Read a user's templates: a JSON list, or one template per line."""
    return check_templates(read_list(path), str(path))


def fill(template: str, name: str) -> str:
    """Put the class name into every slot; braces inside the name stay as they are."""
    return template.replace("{}", name)
