#!/usr/bin/env bash
# Installs what vulcap needs to build, run and be tested on Debian 12. Does nothing when it is all there.
set -euo pipefail

packages=(
  # build
  cmake ninja-build g++ pkg-config ccache
  libvulkan-dev glslang-tools spirv-tools
  protobuf-compiler libprotobuf-dev libonnx-dev
  libpng-dev libjpeg62-turbo-dev nlohmann-json3-dev libcli11-dev
  libhwy-dev libutf8proc-dev libpcre2-dev libcairo2-dev libsndfile1-dev zlib1g-dev
  libcurl4-openssl-dev libssl-dev libcpp-httplib-dev libarchive-dev
  # run: the Vulkan loader is opened at run time; Mesa brings the drivers, one of them in software
  libvulkan1 mesa-vulkan-drivers
  # downloads: opened at run time
  libcurl4
  # labels of --overlay
  fonts-dejavu-core
  # tests
  libgtest-dev vulkan-validationlayers libonnx-testdata
  slurm-wlm munge chromium
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "installing: ${missing[*]}" >&2
"${as_root[@]}" apt-get update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"
