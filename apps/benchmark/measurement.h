// What `vulcap bench` measures of one engine with one set of settings.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::apps {

// One point of the sweep.
struct BenchCase {
  std::string model;  // as the user named it; empty: the embedded model
  std::string dtype;
  std::string device;  // as asked for
  std::string peer;    // an engine to compare with, see peers.h; empty: vulcap
  int threads = 0;     // 0: every processor this process may use
  int batch_size = 1;
  int num_beams = 0;  // 0: as the folder says
  int n_gen = 0;      // exactly so many tokens a caption; 0: as many as the caption has
};

enum class Phase {
  kStartCold,    // process start to first caption: empty pipeline cache, files dropped from the page cache
  kStartWarm,    // the same with both filled
  kLoad,         // from opening the device to ready to run, within a warm start
  kDecodeImage,  // from the file to RGB
  kPreprocess,   // from RGB to pixel values
  kEncode,       // the image encoder, with what depends on its output alone
  kPrefill,      // the prompt
  kDecodeToken,  // the mean of a caption's further tokens
  kTokenize,     // ids to text
  kGraphs,       // encoder, prompt and all tokens
  kImage,        // all of it, from the file to the text
};

struct PhaseName {
  Phase phase;
  std::string_view field;  // in records
  std::string_view title;  // for readers
};

inline constexpr std::array<PhaseName, 11> kPhases{{
    {Phase::kStartCold, "start_cold", "start to first caption, cold"},
    {Phase::kStartWarm, "start_warm", "start to first caption, warm"},
    {Phase::kLoad, "load", "load"},
    {Phase::kDecodeImage, "decode_image", "decode image"},
    {Phase::kPreprocess, "preprocess", "preprocess"},
    {Phase::kEncode, "encode", "encode"},
    {Phase::kPrefill, "prefill", "prefill"},
    {Phase::kDecodeToken, "decode_token", "decode, a token"},
    {Phase::kTokenize, "tokenize", "tokenise"},
    {Phase::kGraphs, "graphs", "encode to last token"},
    {Phase::kImage, "image", "an image, hot"},
}};

// Samples of one phase. Seconds an image, with a batch's common parts shared out evenly; of decode_token
// seconds a token.
struct Series {
  std::vector<double> seconds;
  // Images (of decode_token: tokens) a second, one number a repetition over all images; empty for starts.
  std::vector<double> rates;
};

struct Measurement {
  BenchCase of;
  std::string engine;      // "vulcap 0.1.0", "onnxruntime 1.31.0"
  std::string device;      // where it ran, by its full name
  nlohmann::json machine;  // what it said of the device: driver, features
  std::string model_type;
  std::vector<std::string> files;  // "role: path (dtype)"
  uint64_t model_bytes = 0;
  std::array<Series, kPhases.size()> phases;
  // Of each image, the last repetition; a peer may tell one of the two alone.
  std::vector<std::vector<int64_t>> ids;
  std::vector<std::string> captions;
  uint64_t peak_host_bytes = 0;
  uint64_t peak_device_bytes = 0;  // 0: none of its own
  int fallback_calls = 0;
  std::string compromise;  // why it ran elsewhere or in smaller batches than was asked for; empty: it did not
  std::string test_time;       // ISO 8601, UTC
  bool pages_dropped = false;  // before cold starts
  bool steady = true;          // every repetition gave the same ids

  // Against the first engine of the same settings.
  bool is_reference = false;
  size_t same_captions = 0;

  size_t images() const { return std::max(ids.size(), captions.size()); }
  Series& series(Phase phase) { return phases[size_t(phase)]; }
  const Series& series(Phase phase) const { return phases[size_t(phase)]; }
};

// "cpu", "vulkan:0": what stands at the head of a column.
std::string short_name(const Measurement& measurement);
// Whether both say the same of an image.
bool same_caption(const Measurement& a, const Measurement& b, size_t image);
// SHA-256 of the ids in decimal, separated by spaces, a line an image; "" where there are none.
std::string output_digest(const Measurement& measurement);
// Of the files that were read, where "auto" was asked for and the engine says.
std::string dtype_of(const Measurement& measurement);
// The model's folder without its path.
std::string model_name(const BenchCase& bench_case);

}  // namespace vulcap::apps
