// Other engines that run the same graphs on the same pixel values, see bench/README.md.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/benchmark/measurement.h"
#include "apps/child_process.h"

namespace vulcap::apps {

struct PeerPrograms {
  std::string python = "python3";  // has the packages that the peer needs
  std::string node = "node";
  std::string node_modules = "node_modules";  // has onnxruntime-node
};

// Names of --peers.
std::vector<std::string> peer_names();

// What peers are given: the images' pixel values, as vulcap computes them, in a file f32[images, 3, height,
// width] of `folder`, or the images' own files.
struct PeerInputs {
  std::filesystem::path model_dir;
  std::filesystem::path pixels;
  std::vector<int> shape;
  std::vector<std::string> images;
};

// Throws core::Error(kUsage) for a model whose folder the peers do not run: they take an image encoder with a
// merged decoder.
PeerInputs make_peer_inputs(const std::filesystem::path& model_dir, const std::vector<std::string>& images,
                            const std::filesystem::path& folder);

// Throws core::Error(kUsage) for settings that the peer does not have.
ChildProcess::Setup peer_setup(const BenchCase& of, const PeerInputs& inputs, const PeerPrograms& programs);

}  // namespace vulcap::apps
