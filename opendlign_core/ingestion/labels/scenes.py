"""Classes of things in scenes, as detection counts them."""

SCANNET_NYU40 = {
    3: "cabinet", 4: "bed", 5: "chair", 6: "sofa", 7: "table", 8: "door", 9: "window", 10: "bookshelf", 11: "picture",
    12: "counter", 14: "desk", 16: "curtain", 24: "refrigerator", 28: "shower curtain", 33: "toilet", 34: "sink",
    36: "bathtub", 39: "garbage bin",
}  # fmt: skip
"""The 18 classes of ScanNet's benchmark by their numbers among NYU's forty, in the order of the benchmark."""

SUNRGBD = (
    "bed", "table", "sofa", "chair", "toilet", "desk", "dresser", "night stand", "bookshelf", "bathtub",
)  # fmt: skip
"""The ten classes of SUN RGB-D's benchmark in its order."""
