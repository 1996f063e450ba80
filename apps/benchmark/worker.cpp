// The process that runs one engine of `vulcap bench`: it captions the first image, says so, and then runs all
// of them as often as its parent asks. bench/README.md has the lines.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/benchmark/fingerprint.h"
#include "apps/benchmark/measure.h"
#include "apps/benchmark/pictures.h"
#include "apps/benchmark/trace.h"
#include "apps/captioning/engine.h"
#include "apps/commands.h"
#include "apps/worker_pool.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

struct Options {
  ModelOptions model;
  std::vector<std::string> images;
  loader::CaptionPrompt prompt;
  int batch_size = 1;
  int num_beams = 0;
  int n_gen = 0;
};

json image_json(double decode_seconds, const loader::CaptionResult& result) {
  const loader::CaptionTiming& t = result.timing;
  return {{"decode_image", decode_seconds},
          {"preprocess", t.preprocess},
          {"encode", t.encode},
          {"prefill", t.prefill},
          {"steps", t.steps},
          {"tokenize", t.detokenize},
          {"total", decode_seconds + t.total}};
}

class Worker {
 public:
  explicit Worker(const Options& options)
      : options_(options), pictures_(options.images), engine_(options.model, remarks_), config_(config()) {
    engine_.captioner().prepare(config_);
    load_seconds_ = seconds_since(begin_);
  }

  json first() {
    run_batch(0, 1);
    const session::OpenedDevice& opened = engine_.device();
    return {{"engine", std::string("vulcap ") + VULCAP_VERSION},
            {"device", opened.name},
            {"machine", device_fingerprint(opened)},
            {"model_type", loader::read_json_object(options_.model.model_dir() / "config.json")
                               .value("model_type", std::string())},
            {"model_bytes", opened.device->weight_bytes()},
            {"files", engine_.captioner().description()},
            {"load", load_seconds_}};
  }

  json repetition() {
    compromise_.clear();
    images_ = json::array();
    ids_ = json::array();
    captions_ = json::array();
    const auto begin = Clock::now();
    const size_t size = size_t(options_.batch_size);
    for (size_t at = 0; at < pictures_.count(); at += size)
      run_batch(at, std::min(at + size, pictures_.count()));
    return {{"wall", seconds_since(begin)},
            {"images", std::move(images_)},
            {"ids", std::move(ids_)},
            {"captions", std::move(captions_)},
            {"device_bytes", engine_.device().device->backend().memory_used()},
            {"fallback_calls", fallback_calls()},
            {"compromise", compromise_}};
  }

  // The first image once more, call by call with their times.
  json profile() {
    TraceRecorder recorder(*engine_.device().device);
    recorder.begin_image(pictures_.name(0));
    const auto begin = Clock::now();
    const image::Image image = pictures_.decode(0);
    const double decode_seconds = seconds_since(begin);
    const Captioned captioned = engine_.caption(image, options_.prompt, config_);
    recorder.end_image(decode_seconds, checked(captioned).timing);
    return {{"events", recorder.take()}};
  }

 private:
  // Greedy or beams: what is drawn at random compares with nothing.
  generate::GenerationConfig config() {
    loader::GenerationFlags flags{{"do-sample", "false"}};
    if (options_.num_beams > 0) flags.emplace_back("num-beams", std::to_string(options_.num_beams));
    if (options_.n_gen > 0) flags.emplace_back("max-new-tokens", std::to_string(options_.n_gen));
    generate::GenerationConfig config = engine_.generation_config(flags);
    if (options_.n_gen > 0) config.eos_token_id.clear();
    return config;
  }

  static const loader::CaptionResult& checked(const Captioned& captioned) {
    if (!captioned.error.empty()) throw core::Error(core::ErrorCode::kRuntime, captioned.error);
    return captioned.result;
  }

  void run_batch(size_t first, size_t end) {
    std::vector<image::Image> batch;
    std::vector<double> decode_seconds;
    for (size_t at = first; at < end; ++at) {
      const auto begin = Clock::now();
      batch.push_back(pictures_.decode(at));
      decode_seconds.push_back(seconds_since(begin));
    }
    const std::vector<Captioned> all = engine_.caption(batch, options_.prompt, config_);
    for (size_t i = 0; i < all.size(); ++i) {
      const loader::CaptionResult& result = checked(all[i]);
      if (!all[i].retry.empty()) compromise_ = all[i].retry;
      if (!all[i].fallback.empty()) compromise_ = all[i].fallback;
      images_.push_back(image_json(decode_seconds[i], result));
      ids_.push_back(result.captions.at(0).ids);
      captions_.push_back(result.captions.at(0).text);
    }
  }

  int fallback_calls() {
    int calls = 0;
    for (const auto& [reason, count] : engine_.captioner().fallbacks()) calls += count;
    return calls;
  }

  Clock::time_point begin_ = Clock::now();
  const Options& options_;
  Pictures pictures_;
  Remarks remarks_;
  CaptionEngine engine_;
  generate::GenerationConfig config_;
  double load_seconds_ = 0;
  // Of the repetition that runs.
  json images_, ids_, captions_;
  std::string compromise_;
};

void answer(const json& line) { std::cout << dumped(line) << std::endl; }

int run(const Options& options) {
  settle_worker(0);
  Worker worker(options);
  answer(worker.first());
  for (std::string request; std::getline(std::cin, request);)
    answer(request == "profile" ? worker.profile() : worker.repetition());
  return 0;
}

}  // namespace

Command add_bench_worker(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bench-worker", "Run one engine of bench (used by that command)");
  options->model.add_to(*command);
  command->remove_option(command->get_option("--report"));
  command->add_option("images", options->images);
  command->add_option("-p,--prompt", options->prompt.text);
  command->add_option("--task", options->prompt.task);
  command->add_option("-b,--batch-size", options->batch_size)->check(CLI::Range(1, 4096));
  command->add_option("--num-beams", options->num_beams)->check(CLI::Range(0, 1024));
  command->add_option("-n,--n-gen", options->n_gen)->check(CLI::Range(0, 1 << 20));
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
