"""The names of what a training run leaves in its folder. Torch-free, for whoever only stores the files."""

CHECKPOINTS = "checkpoints"
WEIGHTS_FILE = "weights.safetensors"
STATE_FILE = "state.pt"
METRICS_FILE = "metrics.jsonl"
CURVES_FILE = "curves.png"

CHECKPOINT_FILES = (METRICS_FILE, WEIGHTS_FILE, STATE_FILE)
"""What a run continues from, in the order of writing: a checkpoint is complete with its state, and none without."""
