"""The pixels of a crop: scaled and cut as the reference does, or in one smooth step."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from opendlign_core.ingestion.posed.crop import Crop
from opendlign_core.ingestion.safety import parsing, require

UInt8 = NDArray[np.uint8]

MOST_PIXELS = 64_000_000
"""Of a photo; what claims more is refused before it is decoded."""
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")


def read_photo(data: bytes) -> Image.Image:
    """A photo as RGB; raises UnreadableShape for what is none, is cut short, or is too large."""
    return load_photo(open_photo(data))


def open_photo(data: bytes) -> Image.Image:
    """A photo of which only the head was read; raises UnreadableShape for what is none or too large."""
    with parsing("photo"):
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        require(picture.width * picture.height <= MOST_PIXELS, f"is {picture.width} x {picture.height} pixels large")
        return picture


def load_photo(picture: Image.Image) -> Image.Image:
    """An opened photo as RGB; raises UnreadableShape where it is cut short."""
    with parsing("photo"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of camera makers' notes and odd profiles
        picture.load()
        return picture if picture.mode == "RGB" else picture.convert("RGB")


def crop_smoothly(photo: Image.Image, crop: Crop) -> UInt8:  # [H, W, 3]
    """The crop by one bicubic step that is right to the fraction of a pixel and smooths where it shrinks.

    The border of the photo that covers only part of a pixel is left black.
    """
    inside, (top, left), scale = crop.inside, crop.offset, crop.scale
    edges = (inside.left - left, inside.top - top, inside.right - left, inside.bottom - top)
    limits = (photo.width, photo.height, photo.width, photo.height)
    source = [min(max(edge / scale, 0.0), limit) for edge, limit in zip(edges, limits, strict=True)]
    size = (inside.right - inside.left, inside.bottom - inside.top)
    out = np.zeros((*crop.size, 3), np.uint8)
    resized = photo.resize(size, Image.Resampling.BICUBIC, box=(source[0], source[1], source[2], source[3]))
    out[inside.top : inside.bottom, inside.left : inside.right] = np.asarray(resized)
    return out


def crop_faithfully(photo: Image.Image, crop: Crop) -> UInt8:  # [H, W, 3]
    """The crop as the reference's: exact where OpenCV is installed, else within a grey level nearly everywhere."""
    resized = _resized(np.asarray(photo), int(crop.scaled[0]), int(crop.scaled[1]))
    inside, top, left = crop.inside, int(crop.offset[0]), int(crop.offset[1])
    shown = resized[max(0, inside.top - top) : inside.bottom - top, max(0, inside.left - left) : inside.right - left]
    if shown.shape[:2] == crop.size:
        return shown
    out = np.zeros((*crop.size, 3), np.uint8)
    if inside.top < inside.bottom and inside.left < inside.right:
        out[inside.top : inside.bottom, inside.left : inside.right] = shown
    return out


def _resized(image: UInt8, rows: int, columns: int) -> UInt8:  # [h, w, 3] -> [rows, columns, 3]
    try:
        import cv2
    except ModuleNotFoundError:
        return resized_without_opencv(image, rows, columns)
    resized: UInt8 = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return resized


def resized_without_opencv(image: UInt8, rows: int, columns: int) -> UInt8:  # [h, w, 3] -> [rows, columns, 3]
    """The same cubic kernel (-0.75, centres of pixels, borders repeated, no smoothing) in floating point."""
    import torch

    if (rows, columns) == image.shape[:2]:
        return image
    planes = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    larger = torch.nn.functional.interpolate(planes, size=(rows, columns), mode="bicubic", align_corners=False)
    pixels: UInt8 = larger[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
    return pixels
