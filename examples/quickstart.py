"""From a mesh to answers in Python, without a store and without a download: python examples/quickstart.py [FOLDER]."""

import sys
from pathlib import Path

import torch
from PIL import Image

import opendlign_core as od

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

# A mesh: od.read("mug.glb") reads one of yours.
mug = od.toy("mug")
print(f"{len(mug.faces)} triangles, parts: {', '.join(mug.part_names)}")

# Depth maps, and images painted on them: arrays in, arrays out.
maps = od.project(mug)  # [10, 224, 224]
images = od.paint(maps[:2], "a red ceramic mug")  # [2, 224, 224, 3]
Image.fromarray(images[0]).save(folder / "mug.png")

# Tensors in, tensors out; on a GPU they stay there.
points = torch.from_numpy(od.sample(mug, 2048))  # [2048, 3]
assert isinstance(od.project(points), torch.Tensor)

# A model: the small CLIP of the package here; od.load("store/train/1a2b...") takes one that you trained.
model = od.load("package:mini")
shapes = {label: od.toy(label, number) for number, label in enumerate(("mug", "chair", "car", "lamp"))}
for name, found in zip(shapes, od.classify(model, list(shapes.values()), list(shapes)), strict=True):
    label, share = found.ranked()[0]
    print(f"{name}: {label}, {share:.0%}")

# Embeddings [N, E] compare shapes with words.
cosines = od.embed(model, list(shapes.values())) @ od.embed_words(model, ["a wooden chair with four legs"]).T
print("a wooden chair with four legs:", list(shapes)[cosines[:, 0].argmax()])

# An index on disk, and the nearest shapes to words.
od.index(model, shapes, folder / "shapes.parquet")
for hit in od.search(model, folder / "shapes.parquet", "a car", top=2):
    print(f"{hit.object_id} {hit.score:.3f}")
