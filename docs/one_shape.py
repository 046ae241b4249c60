"""Draws the first picture of README.md: `python -m docs.one_shape STORE`, of a store that has run the preset mini.

One unseen shape through all stages: the first of its label in the test split that the frozen CLIP takes for something
else and the tuned branch names right.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from opendlign_core.evaluation import METHODS, Classification, EvalSample, EvaluatedModel, classify
from opendlign_core.ingestion.procedural import LABELS
from opendlign_core.pictures import cloud_picture, depth_picture
from opendlign_core.samples import Cloud, Painted
from storage.inventory import outputs
from storage.output import load_manifest
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from storage.stores import open_store
from tasks.train import load_trained

TARGET = Path(__file__).parent / "images" / "one-shape.png"
TILE, GAP, TOP, VIEW = 224, 26, 40, 1
INK, MUTED, GOOD, BAD = (29, 33, 39), (106, 113, 124), (47, 133, 90), (180, 68, 47)


class Shape(NamedTuple):
    """A shape with what every stage made of it, and what the two models say."""

    cloud: Cloud
    painted: Painted
    frozen: Classification
    tuned: Classification


def manifest(store: Store, stage: str) -> Manifest:
    found = next(output for output in outputs(store) if output.stage == stage)
    return load_manifest(store, stage, found.fingerprint)


def shapes(store: Store, model: EvaluatedModel, label: str) -> Iterator[Shape]:
    with SampleReader(store, manifest(store, "ingest")) as clouds:
        wanted = (Cloud.read(sample.key, sample.fields) for sample in clouds)
        test = {cloud.meta.object_id: cloud for cloud in wanted if cloud.meta.split == "test"}
    with SampleReader(store, manifest(store, "synthesize")) as pairs:
        for sample in pairs:
            painted = Painted.read(sample.key, sample.fields)
            if painted.meta.object_id in test and painted.meta.label == label:
                shown = EvalSample(painted.meta.object_id, painted.meta.label, painted.maps())
                said = [
                    next(classify(model, [shown], LABELS, METHODS[name]))
                    for name in ("training-free", "aligned-texts")
                ]
                yield Shape(test[painted.meta.object_id], painted, *said)


def answers(pen: ImageDraw.ImageDraw, left: int, said: Classification, truth: str) -> None:
    """The three most probable labels with bars."""
    font = ImageFont.load_default(17)
    for place, (label, share) in enumerate(said.ranked()[:3]):
        top = TOP + 22 + place * 62
        colour = (GOOD if label == truth else BAD) if place == 0 else MUTED
        pen.text((left, top), f"{label}  {100 * share:.0f} %", colour, font)
        pen.rectangle([left, top + 26, left + TILE - 1, top + 38], (227, 225, 220))
        pen.rectangle([left, top + 26, left + max(2, round(share * (TILE - 1))), top + 38], colour)


def tile(picture: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.LANCZOS)


def sheet(shape: Shape) -> Image.Image:
    truth = shape.painted.meta.label
    pictures = [
        cloud_picture(shape.cloud.points, shape.cloud.colors, size=2 * TILE, azimuth=55),
        depth_picture(shape.painted.maps()[VIEW]),
        shape.painted.picture(VIEW),
    ]
    titles = (f"a {truth}: points", "depth map, 1 of 10", "image painted on it", "frozen CLIP says", "after training")
    drawn = Image.new("RGB", (5 * TILE + 6 * GAP, TILE + TOP + GAP), "white")
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(18)
    for place, title in enumerate(titles):
        left = GAP + place * (TILE + GAP)
        pen.text((left, 10), title, INK, font)
        if place < len(pictures):
            drawn.paste(tile(pictures[place]), (left, TOP))
            pen.text((left + TILE + GAP / 2, TOP + TILE / 2), "›", MUTED, ImageFont.load_default(34), "mm")
    for place, said in enumerate((shape.frozen, shape.tuned), start=len(pictures)):
        answers(pen, GAP + place * (TILE + GAP), said, truth)
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--label", default="train")
    asked = parser.parse_args()
    store = open_store(asked.store)
    model = load_trained(store, manifest(store, "train"), "cpu")
    told = (shape for shape in shapes(store, model, asked.label) if shape.tuned.prediction == asked.label)
    sheet(next(shape for shape in told if shape.frozen.prediction != asked.label)).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
