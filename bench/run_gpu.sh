#!/bin/sh
# Prove the CUDA code on this machine: the GPU tests, then every CUDA bench; or only the parts named as arguments
# (tests projection layers synthesis training evaluation segmentation scenes), where time is cut in slices. Results go
# to bench/results/ and, where OUT names a folder, those of this run there too. A part that fails does not keep the others from running.
set -u
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
export HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
status=0

step() {
    echo "== $*"
    "$@" || { echo "!! failed: $*"; status=1; }
}

"$python" - <<'END' || exit 1
import sys
from importlib.util import find_spec

# Neither Prefect nor s3fs: what runs here is the library, the benches and a store in a folder.
needed = """torch torchvision triton diffusers transformers tokenizers safetensors huggingface_hub accelerate regex open_clip
    lazy_loader ftfy timm numpy scipy sklearn PIL pyarrow pydantic pydantic_settings dotenv importlib_metadata
    yaml fsspec pytest pytest_timeout"""
if missing := [name for name in needed.split() if not find_spec(name)]:
    sys.exit(f"missing packages: {' '.join(missing)}")
import torch

if not torch.cuda.is_available():
    sys.exit("no CUDA device")
print(torch.cuda.get_device_name(), "torch", torch.__version__)
END
stamp=$(mktemp)
for part in ${*:-tests projection layers synthesis training evaluation segmentation scenes}; do
    case $part in
        tests) # Warnings are errors where versions are pinned; here they are whatever the machine has.
            step "$python" -m pytest tests/gpu -q -p no:cacheprovider -o addopts= -o filterwarnings=default -o timeout=900 ;;
        projection) step "$python" -m bench.projection_cuda ;;
        layers) step "$python" -m bench.rasterize --cuda ;;
        synthesis) step "$python" -m bench.synthesis_cuda ;;
        training) step "$python" -m bench.training --cuda ;;
        evaluation)
            step "$python" -m bench.evaluation --device cuda --model ViT-H-14-quickgelu --out bench/results/evaluation_cuda.json ;;
        segmentation) step "$python" -m bench.segmentation --device cuda --out bench/results/segmentation_cuda.json ;;
        scenes) step "$python" -m bench.scenes --device cuda ;;
        *) echo "!! no part $part: tests projection layers synthesis training evaluation segmentation scenes"; status=1 ;;
    esac
done
[ -n "${OUT:-}" ] && find bench/results -name '*.json' -newer "$stamp" -exec cp {} "$OUT"/ \;
rm -f "$stamp"
exit $status
