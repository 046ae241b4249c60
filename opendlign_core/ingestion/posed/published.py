"""The files of a preprocessed ImageNet3D: a picture, an annotation without pickles, and a list for every category."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from opendlign_core.ingestion.posed.annotations import Annotation
from opendlign_core.ingestion.posed.crop import Crop
from opendlign_core.ingestion.posed.pixels import crop_faithfully, crop_smoothly
from opendlign_core.ingestion.posed.recipe import CropRecipe

UInt8 = NDArray[np.uint8]


def cropped(photo: Image.Image, crop: Crop, recipe: CropRecipe) -> UInt8:  # [H, W, 3]
    """The pixels of a crop by the recipe's arithmetic."""
    return (crop_faithfully if recipe.arithmetic == "faithful" else crop_smoothly)(photo, crop)


def published_values(name: str, category: str, annotation: Annotation, crop: Crop) -> dict[str, Any]:
    """What the published annotation of a crop holds; what is unchanged keeps the type that it had."""
    given, pose = annotation.given, annotation.pose
    return {
        "name": name,
        "bbox": np.array(crop.box),
        "bbox_original": np.array(annotation.box),
        "principal": np.array([crop.pose.px, crop.pose.py]),
        "principal_original": np.array([pose.px, pose.py]),
        "px": crop.pose.px,
        "py": crop.pose.py,
        "px_original": pose.px,
        "py_original": pose.py,
        "distance": crop.pose.distance,
        "distance_original": pose.distance,
        **{angle: given[angle] for angle in ("azimuth", "elevation", "theta", "cad_index")},
        "focal": given.get("focal", 1),
        "viewport": given["viewport"],
        "padding_params": np.array([*crop.padding.listed(), 0, 0]),
        "cropping_params": np.array([*crop.cropping.listed(), 0, 0]),
        "resize_rate": crop.scale,
        "class": category,
    }


def encode_values(values: Mapping[str, Any]) -> bytes:
    """The values as an `.npz` that is the same for the same values; raises ValueError for what only a pickle holds."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in values.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())
    return buffer.getvalue()


def encode_picture(pixels: UInt8) -> bytes:  # [H, W, 3]
    """As the published pictures are stored: JPEG of quality 75."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()
