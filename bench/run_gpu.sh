#!/bin/sh
# Prove the CUDA code on this machine: the GPU tests, then every CUDA bench; or only the parts named as arguments
# (tests projection synthesis training evaluation), where time is cut in slices. Result files go to bench/results/ and,
# where OUT names a folder, there too. Needs torch with CUDA and the packages of pyproject.toml except Prefect and s3fs.
set -u
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
status=0

step() {
    echo "== $*"
    "$@" || { echo "!! failed: $*"; status=1; }
}

"$python" -c 'import torch; assert torch.cuda.is_available(), "no CUDA device"; print(torch.cuda.get_device_name())' || exit 1
for part in ${*:-tests projection synthesis training evaluation}; do
    case $part in
        tests) step "$python" -m pytest tests/gpu -q -p no:cacheprovider --override-ini addopts= --timeout 900 ;;
        projection) step "$python" -m bench.projection ;;
        synthesis) step "$python" -m bench.synthesis ;;
        training) step "$python" -m bench.training --cuda ;;
        evaluation)
            step "$python" -m bench.evaluation --device cuda --model ViT-H-14-quickgelu --out bench/results/evaluation-cuda.json ;;
        *) echo "!! no part $part: tests projection synthesis training evaluation"; status=1 ;;
    esac
done
[ -n "${OUT:-}" ] && cp bench/results/*.json "$OUT"/
exit $status
