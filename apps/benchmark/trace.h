// Host phases and kernels as a Chrome trace, which Perfetto and chrome://tracing open.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "loader/tasks/captioner.h"
#include "runtime/session/program.h"

namespace vulcap::apps {

// Collects events {"name", "cat", "ph": "X", "ts", "dur", "tid", "args"}; times in microseconds since it was
// made. Kernels are known by how long they took: those of one run end where the run ended, without gaps.
class TraceRecorder {
 public:
  // Runs of `device` are timed call by call while this lives.
  explicit TraceRecorder(session::Device& device);
  ~TraceRecorder();
  TraceRecorder(const TraceRecorder&) = delete;
  TraceRecorder& operator=(const TraceRecorder&) = delete;

  void begin_image(const std::string& name);
  // Lays the phases of the image that began last one behind the other.
  void end_image(double decode_seconds, const loader::CaptionTiming& timing);
  nlohmann::json take() { return std::move(events_); }

 private:
  using Clock = std::chrono::steady_clock;

  double now() const;
  void add(const std::string& name, int track, double begin, double microseconds, nlohmann::json arguments);
  void add_run(const plan::Plan& plan, const std::vector<plan::Timing>& timings);

  session::Device& device_;
  Clock::time_point begin_ = Clock::now();
  std::string image_;
  double image_begin_ = 0;
  nlohmann::json events_ = nlohmann::json::array();
};

// The name of a call's kernel with its dtypes, "matmul.f32.f32".
std::string kernel_name(const ops::KernelCall& call);

// One process a measured engine, with its name.
struct TraceOf {
  std::string engine;
  nlohmann::json events;
};
// Throws core::Error(kRuntime) when the file cannot be written.
void write_trace(const std::filesystem::path& file, const std::vector<TraceOf>& traces);
// On stderr: the kernels by the time they took, longest first.
void print_kernel_summary(const nlohmann::json& events);

}  // namespace vulcap::apps
