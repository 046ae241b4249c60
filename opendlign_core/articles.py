"""Articles of words."""

import re


def article(words: str) -> str:
    """The words with their indefinite article, unless they have one or are none.

    >>> article("armchair"), article("the table")
    ('an armchair', 'the table')
    """
    if not words or re.match(r"(an?|the)\s", words, re.IGNORECASE):
        return words
    return f"an {words}" if words[0].lower() in "aeiou" else f"a {words}"
