#include "apps/benchmark/peers.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/benchmark/pictures.h"
#include "loader/image/preprocess.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

struct Peer {
  const char* name;
  const char* driver;  // in bench/peers
  bool node;
  bool takes_files;  // the images' files in place of pixel values
};

constexpr Peer kPeers[] = {{"ort-cpu", "ort_cpu.py", false, false},
                           {"ort-webgpu", "ort_webgpu.mjs", true, false},
                           {"transformers", "optimum_captions.py", false, true},
                           {"transformers-js", "transformers_js.mjs", true, true}};

// Beside the installed program, else in the source tree it was built from.
fs::path driver_folder() {
  std::error_code error;
  const auto program = fs::read_symlink("/proc/self/exe", error);
  const auto installed = program.parent_path().parent_path() / "share/vulcap/peers";
  return !error && fs::is_directory(installed) ? installed : fs::path(VULCAP_PEERS_DIR);
}

const Peer& find_peer(const std::string& name) {
  const auto found =
      std::find_if(std::begin(kPeers), std::end(kPeers), [&](const Peer& peer) { return name == peer.name; });
  if (found != std::end(kPeers)) return *found;
  std::string known;
  for (const Peer& peer : kPeers) known += (known.empty() ? "" : ", ") + std::string(peer.name);
  throw core::Error(core::ErrorCode::kUsage, "--peers: '" + name + "' is none of " + known);
}

bool has_graph(const fs::path& model_dir, const std::string& stem) {
  return fs::exists(model_dir / "onnx" / (stem + ".onnx")) || fs::exists(model_dir / (stem + ".onnx"));
}

}  // namespace

std::vector<std::string> peer_names() {
  std::vector<std::string> names;
  for (const Peer& peer : kPeers) names.emplace_back(peer.name);
  return names;
}

PeerInputs make_peer_inputs(const fs::path& model_dir, const std::vector<std::string>& images,
                            const fs::path& folder) {
  if (!has_graph(model_dir, "encoder_model") || !has_graph(model_dir, "decoder_model_merged")) {
    throw core::Error(
        core::ErrorCode::kUsage,
        model_dir.string() +
            ": the peers run encoder_model.onnx and decoder_model_merged.onnx, which the folder "
            "lacks; compare its graphs one by one with bench/graphs.py");
  }
  const fs::path settings = model_dir / "preprocessor_config.json";
  const image::PreprocessConfig config = image::parse_preprocess_config(
      loader::read_json_object(settings), settings.string(), "ViTImageProcessor");
  PeerInputs inputs{fs::absolute(model_dir), folder / "pixel_values.f32", {}, images};
  std::ofstream file(inputs.pixels, std::ios::binary);
  const Pictures pictures(images);
  for (size_t i = 0; i < pictures.count(); ++i) {
    const image::PixelValues values = image::preprocess(pictures.decode(i), config);
    inputs.shape = {int(pictures.count()), values.channels, values.height, values.width};
    file.write(reinterpret_cast<const char*>(values.data.data()),
               std::streamsize(values.data.size() * sizeof(float)));
  }
  file.close();
  if (!file)
    throw core::Error(core::ErrorCode::kRuntime,
                      inputs.pixels.string() + ": the pixel values cannot be written");
  return inputs;
}

ChildProcess::Setup peer_setup(const BenchCase& of, const PeerInputs& inputs, const PeerPrograms& programs) {
  const Peer& peer = find_peer(of.peer);
  if (of.num_beams > 1)
    throw core::Error(core::ErrorCode::kUsage, "--peers: they decode greedily; leave out --num-beams");
  ChildProcess::Setup setup;
  setup.program = peer.node ? programs.node : programs.python;
  std::vector<std::string>& arguments = setup.arguments;
  arguments = {(driver_folder() / peer.driver).string(),
               "--model",
               inputs.model_dir.string(),
               "--dtype",
               of.dtype == "auto" ? "fp32" : of.dtype,
               "--threads",
               std::to_string(of.threads),
               "--batch-size",
               std::to_string(of.batch_size),
               "--n-gen",
               std::to_string(of.n_gen)};
  if (peer.node) arguments.insert(arguments.end(), {"--node-modules", programs.node_modules});
  if (peer.takes_files) {
    if (inputs.images.empty())
      throw core::Error(core::ErrorCode::kUsage, of.peer + " reads image files; name some");
    arguments.insert(arguments.end(), inputs.images.begin(), inputs.images.end());
    return setup;
  }
  std::string shape;
  for (int size : inputs.shape) shape += (shape.empty() ? "" : ",") + std::to_string(size);
  arguments.insert(arguments.end(), {"--pixels", inputs.pixels.string(), "--shape", shape});
  return setup;
}

}  // namespace vulcap::apps
