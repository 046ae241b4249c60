"""An object's id as the key of its sample, and back."""

from urllib.parse import quote, unquote


def sample_key(object_id: str) -> str:
    """A tar-safe key without dots or slashes; `object_id` turns it back.

    >>> sample_key("toys/chair.v2")
    'toys%2Fchair%2Ev2'
    """
    return quote(object_id, safe="", errors="surrogatepass").replace(".", "%2E").replace("~", "%7E")


def object_id(key: str) -> str:
    """The id that `sample_key` made this key of."""
    return unquote(key, errors="surrogatepass")
