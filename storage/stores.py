"""The door to the stores: a URL becomes the store behind it."""

from pathlib import Path

from storage.errors import InvalidStoreUrl
from storage.settings import Settings, get_settings
from storage.store import Store


def open_store(url: str | Path, settings: Settings | None = None) -> Store:
    """Open a local folder (created when first written) or `s3://bucket/prefix`; raises `InvalidStoreUrl`.

    Each kind is imported when it is asked for: only a bucket needs s3fs, which takes half a second.
    """
    text = str(url)
    if text.startswith("s3://"):
        from storage.s3 import S3Store

        return S3Store(text, settings or get_settings())
    scheme, separator, _ = text.partition(":/")
    if separator and scheme.isalnum() and len(scheme) > 1:
        # The URL itself stays out of the message: it may hold a password.
        raise InvalidStoreUrl(f"{scheme}: only a folder or s3://bucket/prefix can be a store")
    if isinstance(url, str) and not text.strip():
        raise InvalidStoreUrl("a store needs a name: a folder or s3://bucket/prefix")
    from storage.local import LocalStore

    return LocalStore(Path(text))
