#!/usr/bin/env bash
# The main job from nothing: installs the packages, builds vulcap and captions sample images with the embedded model.
# Arguments go to `vulcap caption`, in place of the four sample images.
# VULCAP_SKIP_SETUP=1 leaves the installed packages alone.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "${VULCAP_SKIP_SETUP:-0}" = 1 ] || scripts/setup.sh
cmake --preset release >&2
cmake --build --preset release --target vulcap >&2

vulcap=build/release/vulcap
samples=models/scenes-vit-gpt2/expected/images
if [ $# -eq 0 ]; then
  set -- "$samples"/scene_000.png "$samples"/scene_002.png "$samples"/scene_004.jpg "$samples"/scene_009.jpg
fi
"$vulcap" devices
echo
if "$vulcap" devices | grep -q '^vulkan:[0-9]'; then
  echo "On Vulkan:"
  "$vulcap" caption --device vulkan "$@"
  echo
fi
echo "On the CPU:"
"$vulcap" caption --device cpu "$@"
