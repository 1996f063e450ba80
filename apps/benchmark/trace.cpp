#include "apps/benchmark/trace.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <span>

#include "apps/cli/remarks.h"
#include "loader/new_file.h"

namespace vulcap::apps {
namespace {

using nlohmann::json;

enum Track { kImages = 1, kPhases = 2, kKernels = 3 };

json named(const char* what, int pid, int tid, const std::string& name) {
  return {{"name", what}, {"ph", "M"}, {"pid", pid}, {"tid", tid}, {"args", {{"name", name}}}};
}

std::string work_text(const ops::KernelCall& call) {
  return std::to_string(call.work[0]) + "x" + std::to_string(call.work[1]) + "x" +
         std::to_string(call.work[2]);
}

}  // namespace

std::string kernel_name(const ops::KernelCall& call) {
  std::string name(ops::kernels()[call.kernel].name);
  for (const core::DType dtype : {call.variant.storage, call.variant.second})
    if (dtype != core::DType::kUndefined) name += "." + std::string(core::dtype_name(dtype));
  return name;
}

TraceRecorder::TraceRecorder(session::Device& device) : device_(device) {
  device_.set_profile(
      [this](const plan::Plan& plan, const std::vector<plan::Timing>& timings) { add_run(plan, timings); });
}

TraceRecorder::~TraceRecorder() { device_.set_profile({}); }

double TraceRecorder::now() const {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin_).count();
}

void TraceRecorder::add(const std::string& name, int track, double begin, double microseconds,
                        json arguments) {
  events_.push_back({{"name", name},
                     {"ph", "X"},
                     {"ts", begin},
                     {"dur", microseconds},
                     {"tid", track},
                     {"args", std::move(arguments)}});
}

void TraceRecorder::add_run(const plan::Plan& plan, const std::vector<plan::Timing>& timings) {
  const double total = std::accumulate(timings.begin(), timings.end(), 0.0,
                                       [](double sum, const plan::Timing& t) { return sum + t.seconds; });
  double at = now() - total * 1e6;
  for (const plan::Timing& timing : timings) {
    const size_t index = size_t(timing.call);
    const ops::KernelCall& call = plan.calls[index];
    json arguments{{"work", work_text(call)}, {"call", index}};
    if (call.node >= 0 && size_t(call.node) < plan.graph.nodes.size())
      arguments["node"] = plan.graph.nodes[size_t(call.node)].name;
    if (!plan.on_host.empty() && plan.on_host[index] != 0) arguments["on_cpu"] = plan.reasons[index];
    add(kernel_name(call), kKernels, at, timing.seconds * 1e6, std::move(arguments));
    at += timing.seconds * 1e6;
  }
}

void TraceRecorder::begin_image(const std::string& name) {
  image_ = name;
  image_begin_ = now();
}

void TraceRecorder::end_image(double decode_seconds, const loader::CaptionTiming& timing) {
  add(image_, kImages, image_begin_, now() - image_begin_, json::object());
  double at = image_begin_;
  const auto phase = [&](const std::string& name, double seconds) {
    add(name, kPhases, at, seconds * 1e6, json::object());
    at += seconds * 1e6;
  };
  phase("decode image", decode_seconds);
  phase("preprocess", timing.preprocess);
  phase("encode", timing.encode);
  phase("prefill", timing.prefill);
  for (size_t i = 0; i < timing.steps.size(); ++i) phase("token " + std::to_string(i + 1), timing.steps[i]);
  phase("tokenise", timing.detokenize);
}

void write_trace(const std::filesystem::path& file, const std::vector<TraceOf>& traces) {
  json events = json::array();
  for (size_t i = 0; i < traces.size(); ++i) {
    const int pid = int(i) + 1;
    events.push_back(named("process_name", pid, 0, traces[i].engine));
    events.push_back(named("thread_name", pid, kImages, "images"));
    events.push_back(named("thread_name", pid, kPhases, "host phases"));
    events.push_back(named("thread_name", pid, kKernels, "kernels"));
    for (json event : traces[i].events) {
      event["pid"] = pid;
      events.push_back(std::move(event));
    }
  }
  const std::string text = dumped({{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}});
  loader::NewFile out(file);
  out.write(std::as_bytes(std::span(text)));
  out.commit();
}

void print_kernel_summary(const json& events) {
  struct Row {
    double milliseconds = 0;
    int calls = 0;
  };
  std::map<std::string, Row> rows;
  for (const json& event : events) {
    if (event.at("tid") != kKernels) continue;
    const auto& arguments = event.at("args");
    Row& row = rows[event.at("name").get<std::string>() + " " + arguments.at("work").get<std::string>()];
    row.milliseconds += event.at("dur").get<double>() / 1e3;
    ++row.calls;
  }
  std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.milliseconds > b.second.milliseconds; });
  std::fprintf(stderr, "ms, calls, kernel and its work\n");
  for (const auto& [name, row] : sorted)
    std::fprintf(stderr, "%10.2f %6d  %s\n", row.milliseconds, row.calls, name.c_str());
}

}  // namespace vulcap::apps
