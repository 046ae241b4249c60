"""Small pictures of the store's shapes, as they are coloured, drawn when they are first looked at."""

import io
import threading
from functools import lru_cache

from PIL import Image

from opendlign.explore.gallery import Gallery
from opendlign_core.pictures import cloud_picture

SIDE = 160
KEPT = 2048
"""Pictures in memory, a few kilobytes each."""


class Tiles:
    """Pictures by the ids of shapes; a second look costs nothing."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._turn = threading.Lock()
        self._drawn = lru_cache(maxsize=KEPT)(self._draw)

    def get(self, object_id: str) -> bytes | None:
        """A WebP picture; None where the store has no such shape."""
        with self._turn:
            return self._drawn(object_id)

    def _draw(self, object_id: str) -> bytes | None:
        cloud = self._gallery.cloud(object_id)
        if cloud is None:
            return None
        content = io.BytesIO()
        Image.fromarray(cloud_picture(cloud.points, cloud.colors, size=SIDE)).save(content, "WEBP", quality=80)
        return content.getvalue()
