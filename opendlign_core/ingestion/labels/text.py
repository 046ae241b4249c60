"""Labels as words."""

import re


def article(words: str) -> str:
    """The words with their indefinite article: `an armchair`, `a table`, unless they have one or are none."""
    if not words or re.match(r"(an?|the)\s", words, re.IGNORECASE):
        return words
    return f"an {words}" if words[0].lower() in "aeiou" else f"a {words}"


def plain_label(name: str) -> str:
    """A folder or class name as people write it: `night_stand` becomes `night stand`."""
    return re.sub(r"[_\s]+", " ", name).strip()
