#!/usr/bin/env bash
# All tests from nothing: installs the packages, builds everything and runs ctest. Arguments go to ctest.
#   VULCAP_PRESET=asan             another preset of CMakePresets.json: release (default), dev, asan, tsan, no-vulkan
#   VULCAP_JOBS=4                  tests at a time; 2 by default
#   VULCAP_SKIP_SETUP=1            leave the installed packages alone
#   VULCAP_TESTS_WITHOUT_VULKAN=1  skip the tests that need a Vulkan device, with a message; set for no-vulkan
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${VULCAP_PRESET:-release}
[ "$preset" != no-vulkan ] || export VULCAP_TESTS_WITHOUT_VULKAN=1
[ "${VULCAP_SKIP_SETUP:-0}" = 1 ] || scripts/setup.sh
cmake --preset "$preset"
cmake --build --preset "$preset"
ctest --test-dir "build/$preset" --output-on-failure --parallel "${VULCAP_JOBS:-2}" "$@"
