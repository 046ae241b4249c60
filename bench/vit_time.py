"""Where the time of a run at full size goes: 200 procedural objects, ten maps of 224 pixels, a ViT-B-32.

Its weights are drawn at random into a folder, so nothing is downloaded and nothing is learned; what every phase costs
is the same. Phases are told as by `bench.mini_time`. Before, what texts cost as they are and padded to the full
context. `--objects 0` stops there. Writes bench/results/vit_time.json.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from bench.mini_time import installed, timed_run
from opendlign_core.clip import ClipSpec, load_clip, load_tokenizer
from opendlign_core.clip.load import architecture_of
from opendlign_core.clip.spec import CONFIG_FILE, WEIGHTS_FILE
from opendlign_core.evaluation.templates import fill, resolve_templates

CATEGORIES = "chair,table,mug,car,lamp,bed,vase,bottle"
RESULTS = Path(__file__).parent / "results" / "vit_time.json"


def write_clip(folder: Path) -> None:
    """A ViT-B-32 of random weights in the layout of open_clip's local folders."""
    spec = ClipSpec(model="ViT-B-32", weights="random")
    folder.mkdir()
    (folder / CONFIG_FILE).write_text(json.dumps({"model_cfg": architecture_of(spec), "preprocess_cfg": {}}))
    weights = {name: tensor.contiguous() for name, tensor in load_clip(spec).state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)


def texts_cost(folder: Path) -> dict[str, float]:
    """Processor seconds of a few class texts; padded means beside one that fills the context."""
    spec = ClipSpec.from_folder(folder)
    clip, tokenize = load_clip(spec), load_tokenizer(spec)
    texts = [fill(template, name) for name in ("chair", "table lamp") for template in resolve_templates("depth")[:24]]
    short = tokenize(texts)
    padded = short.clone()
    padded[0] = tokenize(["chair " * short.shape[1]])[0]
    found = {}
    with torch.inference_mode():
        for name, tokens in (("as they are", short), ("padded", padded)):
            clip.encode_text(tokens[:4])
            started = time.process_time()
            clip.encode_text(tokens)
            found[name] = round(time.process_time() - started, 2)
    return {**found, "times": round(found["padded"] / found["as they are"], 2)}


def preset(clip: Path, objects: int) -> dict[str, Any]:
    """The miniature's chain with the published views and the published tower."""
    return {
        "ingest": {
            "source": {
                "adapter": "procedural",
                "options": {"seed": "1", "objects": str(objects), "categories": CATEGORIES},
            },
            "points": 10_000,
            "shard_size": 64,
        },
        "project": {"base": "opendlign"},
        "synthesize": {"synthesizer": "shaded", "shard_size": 64},
        "train": {"clip": str(clip), "epochs": 2, "batch_size": 32},
        "evaluate": {
            "tasks": ["zero-shot", "retrieval"],
            "methods": ["opendlign", "aligned-texts", "training-free"],
            "datasets": [{"name": "held-out shapes", "split": "test", "train_split": "train"}],
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found: dict[str, Any] = {
        "machine": {"processors": os.cpu_count(), "python": platform.python_version(), "torch": torch.__version__},
        "load_before": round(os.getloadavg()[0], 1),
        "objects": options.objects,
    }
    with tempfile.TemporaryDirectory(prefix="opendlign-vit-time-") as scratch:
        folder = Path(scratch)
        write_clip(folder / "clip")
        found["texts"] = texts_cost(folder / "clip")
        if options.objects:
            (folder / "vit.yaml").write_text(yaml.safe_dump(preset(folder / "clip", options.objects)))
            installed(folder)
            found["run"] = timed_run(folder, "--preset", "vit.yaml")
    found["load_after"] = round(os.getloadavg()[0], 1)
    print(json.dumps(found, indent=1))
    options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
