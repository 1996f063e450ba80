#include "apps/benchmark/measurement.h"

#include <filesystem>

#include "loader/hub/digest.h"

namespace vulcap::apps {

std::string short_name(const Measurement& measurement) {
  if (!measurement.of.peer.empty()) return measurement.of.peer;
  return measurement.device.substr(0, measurement.device.find(' '));
}

bool same_caption(const Measurement& a, const Measurement& b, size_t image) {
  if (image < a.ids.size() && image < b.ids.size()) return a.ids[image] == b.ids[image];
  return image < a.captions.size() && image < b.captions.size() && a.captions[image] == b.captions[image];
}

std::string output_digest(const Measurement& measurement) {
  if (measurement.ids.empty()) return "";
  std::string text;
  for (const auto& ids : measurement.ids) {
    for (size_t i = 0; i < ids.size(); ++i) text += (i == 0 ? "" : " ") + std::to_string(ids[i]);
    text += '\n';
  }
  return hub::sha256(text);
}

std::string dtype_of(const Measurement& measurement) {
  if (measurement.of.dtype != "auto" || measurement.files.empty()) return measurement.of.dtype;
  const std::string& line = measurement.files.front();
  const size_t open = line.rfind('('), close = line.rfind(')');
  return open < close && close != std::string::npos ? line.substr(open + 1, close - open - 1) : "auto";
}

std::string model_name(const BenchCase& bench_case) {
  if (bench_case.model.empty()) return "scenes-vit-gpt2";
  const auto path = std::filesystem::path(bench_case.model).lexically_normal();
  return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

}  // namespace vulcap::apps
