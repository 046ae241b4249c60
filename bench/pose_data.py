"""Speed and memory of ImageNet3D's preprocessing, beside the plain loop that its arithmetic describes, in one run.

Photos are 500 x 400 and painted; `--photos` of them go through two processes as `data preprocess-imagenet3d` sends
them. Seconds of processors tell more than those of clocks where a machine has other work.
"""

import argparse
import io
import json
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from opendlign_core.ingestion.posed.annotations import Annotation, encode_annotations, read_annotations
from opendlign_core.ingestion.posed.crop import plan_crop
from opendlign_core.ingestion.posed.folders import Photo
from opendlign_core.ingestion.posed.painted.cads import POSED
from opendlign_core.ingestion.posed.painted.photo import paint_photo
from opendlign_core.ingestion.posed.preprocess import preprocess
from opendlign_core.ingestion.posed.published import published_values
from opendlign_core.ingestion.posed.recipe import CropRecipe

RESULTS = Path(__file__).parent / "results" / "pose_data.json"
DISTINCT = 64
SIZE = (400, 500)


def write_photos(root: Path, count: int) -> tuple[Photo, ...]:
    """Photos under that many names; there are `DISTINCT` different ones."""
    rng = np.random.default_rng(0)
    kinds = [_one(rng, number) for number in range(DISTINCT)]
    (root / "images/thing").mkdir(parents=True)
    (root / "annotations/thing").mkdir(parents=True)
    photos = []
    for number in range(count):
        name = f"n_{number}"
        photo = Photo("thing", "train", name, f"images/thing/{name}.JPEG", f"annotations/thing/{name}.npz")
        for key, data in zip((photo.image, photo.annotation), kinds[number % DISTINCT], strict=True):
            first = root / f"{key.split('/')[0]}/thing/n_{number % DISTINCT}{Path(key).suffix}"
            if number < DISTINCT:
                first.write_bytes(data)
            else:
                os.link(first, root / key)
        photos.append(photo)
    return tuple(photos)


def _one(rng: np.random.Generator, number: int) -> tuple[bytes, bytes]:
    painted = paint_photo(0, f"bench-{number}", POSED[number % len(POSED)], 1 + number % 20, POSED)
    picture = Image.open(io.BytesIO(painted.jpeg)).convert("RGB").resize(SIZE[::-1], Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    px, py = rng.uniform(100, 400), rng.uniform(80, 320)
    row = {
        **painted.rows[0], "height": np.uint16(SIZE[0]), "width": np.uint16(SIZE[1]), "px": px, "py": py,
        "principal": np.array([px, py]), "distance": rng.uniform(3, 8), "bbox": np.array([100.0, 80, 400, 320]),
    }  # fmt: skip
    return buffer.getvalue(), encode_annotations([row])


def run(root: Path, photos: tuple[Photo, ...], recipe: CropRecipe) -> dict[str, float]:
    out = root / "out"
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for _, _, tally in preprocess(root, out, [("thing", "train", photos)], recipe, 2):
        written = len(tally.names)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert written == len(photos)
    shutil.rmtree(out)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "photos": len(photos),
        "a_second": round(len(photos) / seconds, 1),
        "a_processor_second": round(len(photos) / spent, 1),
        "peak_mib_of_a_process": round(after.ru_maxrss / 1024, 1),
    }


def plain_loop(root: Path, photos: tuple[Photo, ...], recipe: CropRecipe) -> float:
    """Photos a processor second of the arithmetic written down step by step: whole photos scaled, padded and cut."""
    out = root / "plain"
    out.mkdir()
    started = time.process_time()
    for photo in photos:
        with Image.open(root / photo.image) as opened:
            image = np.array(opened.convert("RGB"))
        (item,) = read_annotations((root / photo.annotation).read_bytes())
        assert isinstance(item, Annotation)
        crop = plan_crop(item, image.shape[0], image.shape[1], recipe)
        scaled = cv2.resize(image, (int(crop.scaled[1]), int(crop.scaled[0])), interpolation=cv2.INTER_CUBIC)
        padding, cut = crop.padding, crop.cropping
        padded = np.pad(scaled, ((padding.top, padding.bottom), (padding.left, padding.right), (0, 0)))
        pixels = padded[cut.top : cut.top + recipe.height, cut.left : cut.left + recipe.width]
        Image.fromarray(pixels).save(out / f"{photo.name}.JPEG")
        np.savez(out / photo.name, **published_values(photo.name, "thing", item, crop))
    spent = time.process_time() - started
    shutil.rmtree(out)
    return round(len(photos) / spent, 1)


def measured(count: int) -> dict[str, Any]:
    faithful, corrected = (CropRecipe(arithmetic=kind) for kind in ("faithful", "corrected"))
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        root = Path(folder)
        photos = write_photos(root, count)
        few, plain = run(root, photos[: count // 10], faithful), plain_loop(root, photos[:300], faithful)
        whole = run(root, photos, faithful)
        return {
            "plain_loop_a_processor_second": plain,
            "tenth": few,
            "faithful": whole,
            "corrected": run(root, photos[: count // 4], corrected),
            "faithful_over_plain": round(whole["a_processor_second"] / plain, 2),
            "memory_whole_over_tenth": round(whole["peak_mib_of_a_process"] / few["peak_mib_of_a_process"], 3),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=10_000)
    arguments = parser.parse_args()
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    results = {**machine, "python": sys.version.split()[0], "opencv": cv2.__version__, **measured(arguments.photos)}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
