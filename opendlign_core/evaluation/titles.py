"""Names of data sets as people write them."""

TITLES = {
    "modelnet40": "ModelNet40",
    "scanobjectnn": "ScanObjectNN",
    "omniobject3d": "OmniObject3D",
    "objaverse-lvis": "Objaverse-LVIS",
}


def dataset_title(name: str) -> str:
    """A data set's name as people write it.

    >>> dataset_title("modelnet_40"), dataset_title("my shapes")
    ('ModelNet40', 'my shapes')
    """
    return TITLES.get(dataset_key(name), name)


def dataset_key(name: str) -> str:
    """The key of a data set's published numbers, however its name is spelled: `ModelNet40`, `modelnet-40`."""
    letters = _letters(name)
    return next((key for key in TITLES if _letters(key) == letters), name)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
