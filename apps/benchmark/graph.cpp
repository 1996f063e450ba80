#include "apps/benchmark/graph.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/benchmark/measure.h"
#include "apps/benchmark/trace.h"
#include "apps/symbol_sizes.h"
#include "loader/decoder_roles.h"
#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/ops/op_registry.h"
#include "runtime/session/uncached_decoder.h"

namespace vulcap::apps {
namespace {

using core::DType;
using core::Tensor;

// ---- seeded inputs: functions of the element's index, the same for every engine (bench/README.md)

// Uniform in [-1, 1).
float seeded_real(uint64_t i) {
  return float(double((i * 2654435761u) % (uint64_t(1) << 32)) / 2147483648.0 - 1.0);
}
int64_t seeded_id(uint64_t position) { return int64_t(position * 7919 + 13) % 1000; }

Tensor seeded_reals(DType dtype, core::Shape shape, uint64_t first = 0) {
  Tensor tensor(dtype, std::move(shape));
  for (size_t i = 0; i < tensor.size(); ++i) {
    const float value = seeded_real(first + i);
    if (dtype == DType::kF16) {
      tensor.mutable_as<uint16_t>()[i] = core::float_to_half(value);
    } else {
      tensor.mutable_as<float>()[i] = value;
    }
  }
  return tensor;
}

// Masks are ones, other integers ids.
Tensor seeded_input(const graph::Value& input, const core::Shape& shape) {
  if (input.dtype == DType::kF32 || input.dtype == DType::kF16) return seeded_reals(input.dtype, shape);
  if (input.dtype != DType::kI64)
    throw core::Error(core::ErrorCode::kUsage, "bench has no input for '" + input.name + "'");
  Tensor tensor(DType::kI64, shape);
  const bool mask = input.name.find("mask") != std::string::npos;
  for (size_t i = 0; i < tensor.size(); ++i) tensor.mutable_as<int64_t>()[i] = mask ? 1 : seeded_id(i);
  return tensor;
}

core::Shape sized(const graph::Value& input, const std::map<core::Symbol, int64_t>& sizes) {
  if (!input.shape)
    throw core::Error(core::ErrorCode::kInvalidModel, "input '" + input.name + "' declares no shape");
  core::Shape shape;
  for (const core::Dim& dim : passes::bind_symbols(*input.shape, sizes))
    shape.push_back(dim.is_constant() ? dim.value() : 1);
  return shape;
}

// ---- outputs

void write_npy(const std::filesystem::path& path, const core::Shape& shape, std::span<const float> values) {
  std::string dims;
  for (int64_t dim : shape) dims += std::to_string(dim) + ",";
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + dims + "), }";
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  const uint16_t length = uint16_t(header.size());
  file.write("\x93NUMPY\x01\x00", 8).write(reinterpret_cast<const char*>(&length), 2);
  file << header;
  file.write(reinterpret_cast<const char*>(values.data()), std::streamsize(values.size() * sizeof(float)));
  if (!file) throw core::Error(core::ErrorCode::kRuntime, "cannot write " + path.string());
}

struct Samples {
  std::string kind;
  double load = 0;
  std::vector<double> run, prefill, steps;
};

class GraphBench {
 public:
  GraphBench(const GraphBenchOptions& options, session::Device& device)
      : options_(options), device_(device), sizes_(symbol_sizes(options.dims)) {}

  Samples run() {
    const auto begin = Clock::now();
    graph_ = onnx::load_graph(options_.file);
    const bool decodes = std::any_of(graph_.outputs.begin(), graph_.outputs.end(),
                                     [&](graph::ValueId out) { return graph_.value(out).name == "logits"; });
    decodes ? run_decoder(begin) : run_whole(begin);
    return samples_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  std::filesystem::path dump_path(const std::string& output) const {
    return options_.dump / (options_.file.stem().string() + "." + output + ".npy");
  }

  void run_whole(Clock::time_point begin) {
    samples_.kind = "encoder";
    session::Session session(device_, graph_);
    session::NamedTensors inputs;
    for (graph::ValueId id : graph_.inputs) {
      const graph::Value& input = graph_.value(id);
      inputs[input.name] = seeded_input(input, sized(input, sizes_));
    }
    session.prepare(inputs);
    samples_.load = seconds_since(begin);
    session::NamedTensors outputs;
    for (int round = -1; round < options_.rounds; ++round) {
      const auto start = Clock::now();
      outputs = session.run(inputs);
      if (round >= 0) samples_.run.push_back(seconds_since(start));
    }
    for (const auto& [name, tensor] : outputs) dump(name, tensor);
  }

  void dump(const std::string& name, const Tensor& tensor) const {
    if (options_.dump.empty()) return;
    std::vector<float> values(tensor.size());
    for (size_t i = 0; i < values.size(); ++i) values[i] = float(tensor.at_f64(i));
    write_npy(dump_path(name), tensor.shape(), values);
  }

  session::EncoderOutput encoder_output(const session::DecoderRoles& roles) const {
    if (roles.states.empty()) return {};
    const graph::Value& input = graph_.value(graph_.find_input(roles.states));
    const Tensor states = seeded_input(input, sized(input, sizes_));
    session::EncoderOutput output{device_.backend().allocate(states.bytes().size(), "states"), input.dtype,
                                  states.shape()};
    output.buffer->write(0, states.bytes());
    return output;
  }

  void make_decoder(const session::DecoderRoles& roles, const session::EncoderOutput& states) {
    try {
      if (!roles.cache.empty()) {
        samples_.kind = "decoder";
        decoder_ = std::make_unique<session::CachedDecoder>(device_, graph_, roles);
        decoder_->reserve(options_.prompt + options_.steps);
        decoder_->prepare(states, 1);
        return;
      }
    } catch (const ops::NeedsStaticShape& error) {
      std::fprintf(stderr, "vulcap: the decoder runs without its cache: %s\n", error.message().c_str());
    }
    samples_.kind = "decoder without cache";
    decoder_ = std::make_unique<session::UncachedDecoder>(device_, graph_, roles);
    decoder_->prepare(states, 1);
  }

  // Tokens at positions [first, first + length).
  std::span<const float> call(const session::DecoderRoles& roles, int first, int length) {
    if (!roles.ids.empty()) {
      std::vector<int64_t> ids;
      for (int i = 0; i < length; ++i) ids.push_back(seeded_id(uint64_t(first + i)));
      return decoder_->step(ids, 1, length, {});
    }
    const graph::Value& input = graph_.value(graph_.find_input(roles.embeds));
    const int64_t width = input.shape->back().value();
    return decoder_->step(seeded_reals(input.dtype, {1, length, width}, uint64_t(first) * uint64_t(width)), 1,
                          length, {});
  }

  void run_decoder(Clock::time_point begin) {
    const session::DecoderRoles roles = loader::find_decoder_roles(graph_);
    const session::EncoderOutput states = encoder_output(roles);
    make_decoder(roles, states);
    samples_.load = seconds_since(begin);
    std::vector<float> logits;
    for (int round = -1; round < options_.rounds; ++round) {
      logits.clear();
      auto start = Clock::now();
      decoder_->start(states);
      for (int at = 0; at <= options_.steps; ++at) {
        const auto last =
            at == 0 ? call(roles, 0, options_.prompt) : call(roles, options_.prompt + at - 1, 1);
        logits.insert(logits.end(), last.begin(), last.end());
        if (round >= 0) (at == 0 ? samples_.prefill : samples_.steps).push_back(seconds_since(start));
        start = Clock::now();
      }
    }
    if (!options_.dump.empty())
      write_npy(dump_path("logits"), {options_.steps + 1, decoder_->vocab()}, logits);
  }

  const GraphBenchOptions& options_;
  session::Device& device_;
  std::map<core::Symbol, int64_t> sizes_;
  graph::Graph graph_;
  std::unique_ptr<session::Decoder> decoder_;
  Samples samples_;
};

// ---- reports

uint64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return uint64_t(usage.ru_maxrss) * 1024;
}

void print_text(const GraphBenchOptions& options, const Samples& samples,
                const session::OpenedDevice& opened) {
  std::printf("device   %s\ngraph    %s (%s)\nload     %9.2f ms\n", opened.name.c_str(),
              options.file.filename().c_str(), samples.kind.c_str(), samples.load * 1e3);
  if (!samples.run.empty()) std::printf("run      %9.2f ms\n", median(samples.run) * 1e3);
  if (!samples.prefill.empty()) std::printf("prefill  %9.2f ms\n", median(samples.prefill) * 1e3);
  if (!samples.steps.empty()) std::printf("step     %9.2f ms\n", median(samples.steps) * 1e3);
  std::printf("weights  %9.1f MB\npeak     %9.1f MB\n", double(opened.device->weight_bytes()) / 1e6,
              double(peak_rss_bytes()) / 1e6);
}

void print_json(const GraphBenchOptions& options, const Samples& samples,
                const session::OpenedDevice& opened) {
  nlohmann::json record{{"engine", std::string("vulcap ") + VULCAP_VERSION},
                        {"device", opened.name},
                        {"graph", options.file.stem().string()},
                        {"kind", samples.kind},
                        {"load_seconds", samples.load},
                        {"weight_bytes", opened.device->weight_bytes()},
                        {"peak_rss_bytes", peak_rss_bytes()}};
  if (!samples.run.empty()) record["run_seconds"] = samples.run;
  if (!samples.prefill.empty()) record["prefill_seconds"] = samples.prefill;
  if (!samples.steps.empty()) record["step_seconds"] = samples.steps;
  std::printf("%s\n", record.dump().c_str());
}

}  // namespace

int bench_graph(const GraphBenchOptions& options, const session::OpenedDevice& opened) {
  std::optional<TraceRecorder> recorder;
  if (options.profile) recorder.emplace(*opened.device);
  const Samples samples = GraphBench(options, *opened.device).run();
  options.json ? print_json(options, samples, opened) : print_text(options, samples, opened);
  if (!recorder) return 0;
  const TraceOf trace{opened.name + " " + options.file.filename().string(), recorder->take()};
  print_kernel_summary(trace.events);
  if (!options.trace.empty()) write_trace(options.trace, {trace});
  return 0;
}

}  // namespace vulcap::apps
