"""Reading a prompt the way the embedded painter needs it: colours, materials, patterns and the backdrop."""

import re
from dataclasses import dataclass

Rgb = tuple[float, float, float]

_NAMED = {
    "red": "c8201e", "crimson": "b01030", "scarlet": "d8281c", "maroon": "701420", "burgundy": "6c1428",
    "orange": "ea7a14", "coral": "f07850", "salmon": "f08c78", "peach": "f6bc94", "apricot": "f4b478",
    "yellow": "ecd016", "mustard": "cc9c1c", "amber": "eca010", "golden": "cca02c", "gold": "cca02c",
    "lime": "8cd020", "olive": "74782a", "green": "2a9436", "emerald": "149460", "mint": "94dcb4",
    "teal": "147c7c", "turquoise": "2cbcb0", "cyan": "24bcd4", "aqua": "38c8cc", "blue": "2450c4",
    "navy": "182858", "azure": "3c8ce0", "indigo": "3c2890", "purple": "7c2c9c", "violet": "803cc4",
    "lavender": "b4a0e0", "lilac": "c0a0d4", "magenta": "c81c98", "fuchsia": "d42cac", "pink": "f090b4",
    "rose": "dc5c7c", "plum": "743060", "brown": "744620", "chocolate": "54301a", "tan": "ccaa7c",
    "beige": "dcccA4", "khaki": "b4a874", "cream": "f0e6c8", "ivory": "f2eedc", "bronze": "a06c30",
    "copper": "b86c3c", "brass": "bc9840", "silver": "b4b8bc", "gray": "848484", "grey": "848484",
    "charcoal": "34383c", "black": "1c1c1e", "white": "eeeeec",
}  # fmt: skip
COLOURS: dict[str, Rgb] = {
    name: (int(code[:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:], 16) / 255) for name, code in _NAMED.items()
}
"""Colour words and what they look like, red, green and blue in [0, 1]."""

MATERIALS = {
    "wood": "wood wooden oak pine walnut birch mahogany teak timber bamboo wicker rattan plywood",
    "metal": "metal metallic steel iron chrome aluminium aluminum brass bronze copper silver gold titanium tin",
    "stone": "stone marble granite concrete rock slate cement limestone",
    "fabric": "fabric cloth cotton linen wool woolen velvet denim upholstered canvas felt knitted plush",
    "leather": "leather suede",
    "glass": "glass crystal transparent translucent",
    "ceramic": "ceramic porcelain clay terracotta enamel",
    "brick": "brick bricks",
    "rubber": "rubber matte chalk paper cardboard",
    "plastic": "plastic acrylic vinyl glossy shiny lacquered",
}
"""Material names and the words that mean them."""
_MATERIAL_OF = {word: name for name, words in MATERIALS.items() for word in words.split()}

PATTERNS = {
    "stripes": "striped stripes stripe pinstriped zebra",
    "checks": "checkered checked chequered plaid tartan gingham",
    "dots": "dotted spotted polka dots spots leopard",
}
"""Pattern names and the words that mean them."""
_PATTERN_OF = {word: name for name, words in PATTERNS.items() for word in words.split()}

_SHADES = {"dark": (0.55, 0.0), "deep": (0.65, 0.0), "light": (1.0, 0.45), "pale": (1.0, 0.55), "pastel": (1.0, 0.5)}
_BACKDROP = re.compile(
    r"(?:\b(?:on|against|with|in front of|over|before)\s+(?:an?|the)?\s*)?"
    r"((?:[\w-]+\s+){0,3})(?:background|backdrop)\b"
)


@dataclass(frozen=True)
class Look:
    """What a prompt asks for; None or empty where it leaves the choice to the painter."""

    colours: tuple[Rgb, ...] = ()
    material: str | None = None
    pattern: str | None = None
    backdrop: Rgb | None = None


def read_look(prompt: str) -> Look:
    """Find the words the painter knows; the first material and pattern count, and up to two colours."""
    text, backdrop = _cut_backdrop(prompt.lower())
    words = re.findall(r"[a-z]+", text)
    materials = [_MATERIAL_OF[word] for word in words if word in _MATERIAL_OF]
    patterns = [_PATTERN_OF[word] for word in words if word in _PATTERN_OF]
    return Look(
        colours=tuple(_colours(words)[:2]),
        material=materials[0] if materials else None,
        pattern=patterns[0] if patterns else None,
        backdrop=backdrop,
    )


def _cut_backdrop(text: str) -> tuple[str, Rgb | None]:
    """Take "on a blue background" out of the prompt, so that its colour is not the object's."""
    match = _BACKDROP.search(text)
    if match is None:
        return text, None
    words = re.findall(r"[a-z]+", match.group(1))
    own = _after_connective(words)
    colours = _colours(own)
    kept = " ".join(words[: len(words) - len(own)])
    return text[: match.start()] + kept + " " + text[match.end() :], colours[-1] if colours else None


def _after_connective(words: list[str]) -> list[str]:
    """The words that describe the backdrop itself, without what stands before "on a", "with a" and the like."""
    for index in range(len(words) - 1, -1, -1):
        if words[index] in {"on", "against", "with", "of", "over", "before", "a", "an", "the"}:
            return words[index + 1 :]
    return words


def _colours(words: list[str]) -> list[Rgb]:
    found: list[Rgb] = []
    for index, word in enumerate(words):
        if word not in COLOURS or words[max(index - 1, 0) : index + 1] == ["ice", "cream"]:
            continue
        factor, white = _SHADES.get(words[index - 1], (1.0, 0.0)) if index else (1.0, 0.0)
        red, green, blue = (channel * factor * (1 - white) + white for channel in COLOURS[word])
        if (red, green, blue) not in found:
            found.append((red, green, blue))
    return found
