#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/bench_graph.h"
#include "apps/commands.h"
#include "apps/measure.h"
#include "loader/tasks/captioner.h"

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  ModelOptions model;
  int steps = 16;
  int rounds = 5;
  bool json = false;
  GraphBenchOptions graph;
};

// The same numbers for every engine that is compared: uniform in [-1, 1), a function of the index alone.
image::PixelValues seeded_pixels(std::pair<int, int> size) {
  image::PixelValues pixels;
  pixels.height = size.first;
  pixels.width = size.second;
  pixels.data.resize(size_t(3) * size_t(size.first) * size_t(size.second));
  for (size_t i = 0; i < pixels.data.size(); ++i) {
    pixels.data[i] = float(double((uint64_t(i) * 2654435761u) % (uint64_t(1) << 32)) / 2147483648.0 - 1.0);
  }
  return pixels;
}

struct Samples {
  double load = 0;
  std::vector<double> encoder, prefill, steps, captions;
  std::vector<int64_t> tokens;
};

// Greedy, and so many tokens whatever they are.
generate::GenerationConfig bench_config(const loader::Captioner& captioner, const Options& options) {
  std::vector<std::string> warnings;
  const std::string tokens = std::to_string(std::max(1, options.steps));
  generate::GenerationConfig config =
      captioner.generation_config({{"max-new-tokens", tokens}, {"num-beams", "1"}}, warnings);
  config.eos_token_id.clear();
  return config;
}

void run_captions(loader::Captioner& captioner, const image::PixelValues& pixels, const Options& options,
                  Samples& samples) {
  const generate::GenerationConfig config = bench_config(captioner, options);
  for (int round = -1; round < options.rounds; ++round) {
    const loader::CaptionResult result = captioner.caption_pixels(pixels, {}, config);
    if (round < 0) continue;
    samples.encoder.push_back(result.timing.encode);
    samples.prefill.push_back(result.timing.prefill);
    samples.steps.insert(samples.steps.end(), result.timing.steps.begin(), result.timing.steps.end());
    samples.captions.push_back(result.timing.total);
    samples.tokens.assign(result.captions.at(0).ids.begin() + 1, result.captions.at(0).ids.end());
  }
}

void run_encoder(loader::Captioner& captioner, const image::PixelValues& pixels, const Options& options,
                 Samples& samples) {
  for (int round = -1; round < options.rounds; ++round) {
    const auto begin = Clock::now();
    captioner.encode(pixels);
    if (round >= 0) samples.encoder.push_back(seconds_since(begin));
  }
}

void print_text(const Samples& samples, const session::OpenedDevice& opened) {
  std::printf("device   %s\nload     %9.2f ms\nencoder  %9.2f ms\n", opened.name.c_str(), samples.load * 1e3,
              median(samples.encoder) * 1e3);
  if (!samples.captions.empty()) {
    std::printf("prefill  %9.2f ms\nstep     %9.2f ms\ncaption  %9.2f ms\n", median(samples.prefill) * 1e3,
                median(samples.steps) * 1e3, median(samples.captions) * 1e3);
  }
  std::printf("weights  %9.1f MB\npeak     %9.1f MB\n", double(opened.device->weight_bytes()) / 1e6,
              double(peak_rss_bytes()) / 1e6);
}

void print_json(const Samples& samples, const session::OpenedDevice& opened) {
  nlohmann::json record{{"engine", std::string("vulcap ") + VULCAP_VERSION},
                        {"device", opened.name},
                        {"load_seconds", samples.load},
                        {"encoder_seconds", samples.encoder},
                        {"weight_bytes", opened.device->weight_bytes()},
                        {"peak_rss_bytes", peak_rss_bytes()}};
  if (!samples.captions.empty()) {
    record["prefill_seconds"] = samples.prefill;
    record["step_seconds"] = samples.steps;
    record["caption_seconds"] = samples.captions;
    record["tokens"] = samples.tokens;
  }
  std::printf("%s\n", record.dump().c_str());
}

int run_graph(const Options& options) {
  GraphBenchOptions graph = options.graph;
  graph.steps = options.steps;
  graph.rounds = options.rounds;
  graph.json = options.json;
  return bench_graph(graph, options.model.open());
}

// Load ends when plans are made and weights are in the layout that kernels read.
int run(const Options& options) {
  if (!options.graph.file.empty()) return run_graph(options);
  Samples samples;
  const auto begin = Clock::now();
  const session::OpenedDevice opened = options.model.open();
  loader::LoadOptions load = options.model.load_options();
  load.encoder_only = options.steps == 0;
  const auto captioner = loader::load_captioner(options.model.model_dir(), *opened.device, load);
  captioner->prepare(bench_config(*captioner, options));
  const image::PixelValues pixels = seeded_pixels(captioner->input_size());
  samples.load = seconds_since(begin);
  options.steps > 0 ? run_captions(*captioner, pixels, options, samples)
                    : run_encoder(*captioner, pixels, options, samples);
  options.json ? print_json(samples, opened) : print_text(samples, opened);
  return 0;
}

}  // namespace

Command add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bench", "Time load, encoder and decoder steps on a seeded input");
  options->model.add_to(*command);
  command->add_option("--steps", options->steps, "Tokens a caption; 0: the encoder alone")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  command->add_option("-r,--rounds", options->rounds, "Timed repetitions after one warm-up")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object, see bench/README.md");
  command->add_option(
      "--graph", options->graph.file,
      "Time this .onnx file alone; a decoder makes one call of --prompt tokens and --steps of one");
  command->add_option("--prompt", options->graph.prompt, "Positions of the first call of --graph")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      ->add_option("--dim", options->graph.dims, "Size of a symbolic dim of --graph, NAME=SIZE; others are 1")
      ->allow_extra_args(false);
  command
      ->add_option("--dump", options->graph.dump, "Write the outputs of --graph as .npy files to this folder")
      ->check(CLI::ExistingDirectory);
  command->add_flag("--profile", options->graph.profile,
                    "Time of each kind of kernel call of --graph, on stderr");
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
