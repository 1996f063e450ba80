// `vulcap bench`: engines side by side on the same images, each in a process of its own, taking turns.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/benchmark/engine_process.h"
#include "apps/benchmark/fingerprint.h"
#include "apps/benchmark/graph.h"
#include "apps/benchmark/page.h"
#include "apps/benchmark/peers.h"
#include "apps/benchmark/pictures.h"
#include "apps/benchmark/report.h"
#include "apps/benchmark/scratch_folder.h"
#include "apps/benchmark/sweep.h"
#include "apps/benchmark/trace.h"
#include "apps/cli/log.h"
#include "apps/cli/progress.h"
#include "apps/cli/stop_signals.h"
#include "apps/commands.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;

// Two engines that should agree and do not.
constexpr int kDiffer = int(ErrorCode::kMismatch);

// Processors that others keep busy, on average of the last minute.
constexpr double kBusyLoad = 0.5;

struct Options {
  ModelOptions model;
  std::vector<std::string> model_flags;  // names of the options that `model` added
  std::vector<std::string> images;
  std::string prompt, task;
  std::string threads = "0", batch_sizes = "1", num_beams = "0", n_gen = "0";
  int repetitions = 5;
  int starts = 3;
  bool no_warmup = false;
  double time_limit = 600;
  std::string output = "md", output_err;
  std::string html;
  std::string peers;
  PeerPrograms programs;
  std::vector<std::string> profile;  // no value: a summary alone
  bool profiled = false;
  GraphBenchOptions graph;
};

Sweep sweep_of(const Options& options) {
  Sweep sweep;
  // A hub's name may stand for the folder.
  const bool of_hub = !options.model.hf_repo.empty();
  sweep.models =
      parse_names(of_hub ? "--hf-repo" : "--model", of_hub ? options.model.hf_repo : options.model.model);
  sweep.dtypes = parse_names("--dtype", options.model.dtype);
  sweep.devices = parse_names("--device", options.model.device);
  if (!options.peers.empty()) sweep.peers = parse_names("--peers", options.peers);
  sweep.threads = parse_numbers("--threads", options.threads, 0, 1024);
  sweep.batch_sizes = parse_numbers("--batch-size", options.batch_sizes, 1, 4096);
  sweep.num_beams = parse_numbers("--num-beams", options.num_beams, 0, 1024);
  sweep.n_gen = parse_numbers("--n-gen", options.n_gen, 0, 1 << 20);
  return sweep;
}

fs::path model_dir(const Options& options, const std::string& model) {
  ModelOptions one = options.model;
  (one.hf_repo.empty() ? one.model : one.hf_repo) = model;
  return one.model_dir();
}

// What a cold start reads: every file of the folder and of its onnx folder.
std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::path& at : {folder, folder / "onnx"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(at, error))
      if (entry.is_regular_file(error)) files.push_back(entry.path());
  }
  return files;
}

// Variables and the config file have spoken in this process; they say nothing more to its engines.
std::map<std::string, std::string> without_settings() {
  std::map<std::string, std::string> changes;
  for (char** item = environ; *item != nullptr; ++item) {
    const std::string text = *item;
    if (text.starts_with("VULCAP_ARG_")) changes[text.substr(0, text.find('='))] = "";
  }
  changes["VULCAP_ARG_CONFIG"] = "/dev/null";
  return changes;
}

class Bench {
 public:
  Bench(const Options& options, const CLI::App& command) : options_(options), command_(command) {}

  int run() {
    const std::vector<BenchGroup> groups = groups_of(sweep_of(options_));
    warn_if_busy();
    size_t engines = 0;
    for (const BenchGroup& group : groups) engines += group.size();
    progress_.emplace(
        "bench", "runs",
        engines * size_t(options_.starts + std::max(options_.starts, 1) + options_.repetitions));
    const auto reports = make_reports();
    for (const BenchGroup& group : groups) {
      std::vector<Measurement> measured = measure(group);
      compare(measured);
      for (const auto& report : reports) report->add(measured);
      for (Measurement& one : measured) measured_.push_back(std::move(one));
    }
    progress_.reset();
    for (const auto& report : reports) report->end();
    finish();
    return differ_ ? kDiffer : 0;
  }

 private:
  void warn_if_busy() const {
    const double load = machine_.at("load_average");
    char text[128];
    std::snprintf(text, sizeof text, "the machine is busy (load %.1f on %d processors): times will scatter",
                  load, machine_.at("n_cpus").get<int>());
    if (load > kBusyLoad) log_warning(text);
  }

  std::vector<std::unique_ptr<Report>> make_reports() {
    std::vector<std::unique_ptr<Report>> reports;
    reports.push_back(make_report(options_.output, std::cout, machine_));
    if (!options_.output_err.empty())
      reports.push_back(make_report(options_.output_err, std::cerr, machine_));
    return reports;
  }

  std::vector<Measurement> measure(const BenchGroup& group) {
    std::vector<std::unique_ptr<EngineProcess>> engines;
    for (const BenchCase& of : group)
      engines.push_back(std::make_unique<EngineProcess>(setup(of, engines.size())));
    start(engines);
    for (int i = options_.no_warmup ? 0 : -1; i < options_.repetitions; ++i)
      for (auto& engine : engines) {
        stop_if_asked();
        engine->repeat(i >= 0);
        if (i >= 0) progress_->advance();
      }
    return finished(group, engines);
  }

  // Cold starts, then warm ones, in turns; the last process of each engine stays.
  void start(std::vector<std::unique_ptr<EngineProcess>>& engines) {
    const int warm_starts = std::max(options_.starts, 1);
    for (int i = -options_.starts; i < warm_starts; ++i)
      for (auto& engine : engines) {
        stop_if_asked();
        engine->start(i < 0);
        if (i + 1 < warm_starts) engine->stop();
        progress_->advance();
      }
  }

  std::vector<Measurement> finished(const BenchGroup& group,
                                    std::vector<std::unique_ptr<EngineProcess>>& engines) {
    std::vector<Measurement> measured;
    for (size_t i = 0; i < engines.size(); ++i) {
      nlohmann::json events;
      if (options_.profiled && group[i].peer.empty()) events = engines[i]->profile();
      measured.push_back(engines[i]->finish());
      if (options_.starts == 0) measured.back().series(Phase::kStartWarm) = {};
      if (events.is_array())
        traces_.push_back(
            {short_name(measured.back()) + ", " + settings_text(measured.back()), std::move(events)});
    }
    return measured;
  }

  EngineSetup setup(const BenchCase& of, size_t index) {
    const fs::path folder = model_dir(options_, of.model);
    const auto pictures = find_pictures(options_.images, folder, ModelOptions().model_dir());
    EngineSetup setup;
    setup.of = of;
    setup.files = files_of(folder);
    setup.caches = scratch_.path() / ("caches" + std::to_string(index));
    setup.time_limit = options_.time_limit;
    if (of.peer.empty()) {
      setup.child.arguments = worker_arguments(of, pictures);
      setup.child.environment = without_settings();
    } else {
      setup.child = peer_setup(of, make_peer_inputs(folder, pictures, scratch_.path()), options_.programs);
    }
    // Mesa's software renderer takes its threads from there.
    if (of.threads > 0 && std::getenv("LP_NUM_THREADS") == nullptr)
      setup.child.environment["LP_NUM_THREADS"] = std::to_string(of.threads);
    return setup;
  }

  std::vector<std::string> worker_arguments(const BenchCase& of,
                                            const std::vector<std::string>& pictures) const {
    std::vector<std::string> arguments{"bench-worker",
                                       "--device=" + of.device,
                                       "--dtype=" + of.dtype,
                                       "--threads=" + std::to_string(of.threads),
                                       "--batch-size=" + std::to_string(of.batch_size),
                                       "--num-beams=" + std::to_string(of.num_beams),
                                       "--n-gen=" + std::to_string(of.n_gen)};
    if (!of.model.empty())
      arguments.push_back((options_.model.hf_repo.empty() ? "--model=" : "--hf-repo=") + of.model);
    if (!options_.prompt.empty()) arguments.push_back("--prompt=" + options_.prompt);
    if (!options_.task.empty()) arguments.push_back("--task=" + options_.task);
    for (const std::string& name : options_.model_flags) {
      const CLI::Option* option = command_.get_option(name);
      if (option->count() > 0) arguments.push_back(name + "=" + option->results().back());
    }
    if (log_shows(LogLevel::kDetail)) arguments.push_back("--verbose");
    arguments.push_back("--");
    arguments.insert(arguments.end(), pictures.begin(), pictures.end());
    return arguments;
  }

  // With the first engine that had the same model, dtype, beams and number of tokens.
  void compare(std::vector<Measurement>& group) {
    for (Measurement& m : group) {
      const Measurement* reference = reference_of(m, group);
      m.is_reference = reference == nullptr;
      if (!m.steady) {
        differ_ = true;
        log_warning(short_name(m) + ": its captions changed from one repetition to the next");
      }
      if (!m.compromise.empty()) log_warning(short_name(m) + " is not what was asked for: " + m.compromise);
      if (m.is_reference) continue;
      for (size_t i = 0; i < m.images(); ++i) m.same_captions += same_caption(m, *reference, i) ? 1 : 0;
      if (m.same_captions == m.images()) continue;
      differ_ = true;
      log_warning(short_name(m) + " (" + settings_text(m) + ") gives other captions than " +
                  short_name(*reference) + " (" + settings_text(*reference) + "): " + same_text(m));
    }
  }

  const Measurement* reference_of(const Measurement& m, const std::vector<Measurement>& group) const {
    const auto key = [](const Measurement& of) {
      return std::tie(of.of.model, of.of.dtype, of.of.num_beams, of.of.n_gen);
    };
    for (const auto* list : {&measured_, &group})
      for (const Measurement& other : *list)
        if (&other != &m && key(other) == key(m)) return list == &group && &other > &m ? nullptr : &other;
    return nullptr;
  }

  void finish() {
    if (!options_.html.empty()) {
      const auto pictures = find_pictures(options_.images, model_dir(options_, measured_.front().of.model),
                                          ModelOptions().model_dir());
      write_page(options_.html, measured_, machine_, pictures);
    }
    if (!options_.profiled) return;
    for (const TraceOf& trace : traces_) {
      std::fprintf(stderr, "%s: ", trace.engine.c_str());
      print_kernel_summary(trace.events);
    }
    if (!options_.profile.empty()) write_trace(options_.profile.back(), traces_);
  }

  const Options& options_;
  const CLI::App& command_;
  const nlohmann::json machine_ = machine_fingerprint();
  ScratchFolder scratch_;
  std::optional<Progress> progress_;
  std::vector<Measurement> measured_;
  std::vector<TraceOf> traces_;
  bool differ_ = false;
};

int run_graph(const Options& options) {
  GraphBenchOptions graph = options.graph;
  const std::vector<int> n_gen = parse_numbers("--n-gen", options.n_gen, 0, 1 << 20);
  const std::vector<int> threads = parse_numbers("--threads", options.threads, 0, 1024);
  if (n_gen.size() > 1 || threads.size() > 1)
    throw Error(ErrorCode::kUsage, "--graph takes one number each for --n-gen and --threads");
  graph.steps = n_gen[0];
  graph.rounds = options.repetitions;
  graph.json = options.output == "json" || options.output == "jsonl";
  graph.profile = options.profiled;
  if (!options.profile.empty()) graph.trace = options.profile.back();
  ModelOptions model = options.model;
  model.threads = threads[0];
  return bench_graph(graph, model.open());
}

void check(const Options& options) {
  if (!options.graph.file.empty() &&
      (!options.images.empty() || !options.html.empty() || !options.peers.empty()))
    throw Error(ErrorCode::kUsage, "--graph runs one graph on drawn inputs: no images, --html or --peers");
  for (const std::string& file : {options.html, options.profile.empty() ? "" : options.profile.back()}) {
    if (file.empty()) continue;
    const fs::path folder = fs::absolute(file).parent_path();
    if (!fs::is_directory(folder))
      throw Error(ErrorCode::kUsage, file + ": there is no folder " + folder.string());
  }
}

void add_sweep_options(CLI::App& command, Options& options) {
  options.model.add_to(command);
  // A sweep takes lists of threads; a report is of one engine.
  command.remove_option(command.get_option("--threads"));
  command.remove_option(command.get_option("--report"));
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name();
    const bool swept = name == "--model" || name == "--hf-repo" || name == "--dtype" || name == "--device";
    const bool is_print = name == "--help" || name == "--list-devices";
    if (!swept && !is_print) options.model_flags.push_back(name);
  }
  command.add_option(
      "images", options.images,
      "PNG or JPEG files, or folders of them; default: the samples of the model folder or of the "
      "embedded model");
  const std::string list = "; a list or ranges: 1,4 or 1-16*2 or 2-10+4";
  command.add_option("-t,--threads", options.threads, "Threads of the CPU back end" + list)
      ->capture_default_str();
  command.add_option("-b,--batch-size", options.batch_sizes, "Images that run together" + list)
      ->capture_default_str();
  command.add_option("--num-beams", options.num_beams, "Beams; 0: as the model folder says" + list)
      ->capture_default_str();
  command
      .add_option("-n,--n-gen,--steps", options.n_gen,
                  "Exactly so many tokens a caption; 0: as many as the caption has" + list)
      ->capture_default_str();
  command.add_option("-p,--prompt", options.prompt, "As of caption");
  command.add_option("--task", options.task, "As of caption");
}

void add_run_options(CLI::App& command, Options& options) {
  command.add_option("-r,--repetitions,--rounds", options.repetitions, "Timed repetitions over all images")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      .add_option("--starts", options.starts,
                  "Cold starts (pipeline cache and page cache empty) and warm ones that are timed; 0: none")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command.add_flag("--no-warmup", options.no_warmup, "Time the first repetition too");
  command.add_option("--timeout", options.time_limit, "Seconds that a start or a repetition may take")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  const CLI::IsMember formats({"md", "csv", "json", "jsonl", "sql"});
  command.add_option("-o,--output", options.output, "md, csv, json, jsonl or sql")
      ->check(formats)
      ->capture_default_str();
  command.add_option("--output-err", options.output_err, "The same once more on stderr, in this format")
      ->check(formats);
  command.add_option("--html", options.html, "Write one self-contained page with plots here");
  command
      .add_option_function<std::vector<std::string>>(
          "--profile",
          [&options](const std::vector<std::string>& values) {
            options.profiled = true;
            for (const std::string& value : values)
              if (!value.empty()) options.profile.push_back(value);
          },
          "Time of each kind of kernel call, on stderr; with FILE.json host phases and kernels as a trace "
          "that "
          "Perfetto opens")
      ->expected(0, 1)
      ->allow_extra_args(false);
}

void add_peer_options(CLI::App& command, Options& options) {
  std::string names;
  for (const std::string& name : peer_names()) names += (names.empty() ? "" : ", ") + name;
  command.add_option("--peers", options.peers, "Other engines on the same files, in turns: " + names);
  command.add_option("--python", options.programs.python, "Has the packages of the peers in Python")
      ->capture_default_str();
  command.add_option("--node", options.programs.node, "Node.js")->capture_default_str();
  command.add_option("--node-modules", options.programs.node_modules, "Folder that holds onnxruntime-node")
      ->capture_default_str();
}

void add_graph_options(CLI::App& command, Options& options) {
  command
      .add_option(
          "--graph", options.graph.file,
          "Time this .onnx file alone, on inputs drawn from a seed; a decoder makes one call of --n-prompt "
          "tokens and --n-gen of one")
      ->check(CLI::ExistingFile);
  command.add_option("--n-prompt", options.graph.prompt, "Positions of the first call of --graph")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      .add_option("--dim", options.graph.dims, "Size of a symbolic dim of --graph, NAME=SIZE; others are 1")
      ->allow_extra_args(false);
  command
      .add_option("--dump", options.graph.dump, "Write the outputs of --graph as .npy files to this folder")
      ->check(CLI::ExistingDirectory);
}

}  // namespace

Command add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "bench", "Time captions phase by phase, devices and other engines side by side on the same images");
  add_sweep_options(*command, *options);
  add_run_options(*command, *options);
  add_peer_options(*command, *options);
  add_graph_options(*command, *options);
  return [options, command] {
    check(*options);
    if (!options->graph.file.empty()) return run_graph(*options);
    const StopSignals signals{SIGINT, SIGTERM};
    try {
      return Bench(*options, *command).run();
    } catch (const Stopped& stopped) {
      return stopped.exit_code();
    }
  };
}

}  // namespace vulcap::apps
