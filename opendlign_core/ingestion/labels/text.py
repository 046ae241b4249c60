"""Labels as words."""

import re


def plain_label(name: str) -> str:
    """A folder or class name as people write it: `night_stand` becomes `night stand`."""
    return re.sub(r"[_\s]+", " ", name).strip()
