#include "loader/conformance.h"

#include <fnmatch.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "apps/commands.h"
#include "apps/conformance_report.h"
#include "apps/worker_pool.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;

constexpr const char* kWorkerCommand = "conformance-worker";
#ifdef __SANITIZE_ADDRESS__
constexpr double kWorkerMemory = 0;  // the sanitizer's shadow takes all the address space
#else
constexpr double kWorkerMemory = 12;
#endif

struct Options {
  std::string root;
  std::vector<std::string> devices{"cpu"};
  std::vector<std::string> filters;
  loader::Tolerance tolerance;
  int jobs = int(std::max(1u, std::thread::hardware_concurrency()));
  double time_limit = 30;
  double memory_gib = kWorkerMemory;
  std::string json_file;
  std::string expect_file;
  std::string write_expect_file;
  std::string format = "text";
  bool failures_only = false;
};

std::string dumped(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// ---- the worker: a test folder a line in, a result a line out ----

struct WorkerOptions {
  std::string device;
  loader::Tolerance tolerance;
  double memory_gib = 0;
};

// Answers go to a descriptor of their own; whatever else is printed goes to stderr.
FILE* take_stdout() {
  FILE* answers = fdopen(dup(STDOUT_FILENO), "w");
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return answers;
}

loader::ConformanceResult run_test(const std::string& folder, session::Device& device,
                                   const WorkerOptions& options) {
  loader::ConformanceResult result;
  try {
    result = loader::run_conformance_test(folder, device, options.tolerance);
  } catch (const std::bad_alloc&) {
    result.reason = "out of memory";
  } catch (const std::exception& error) {
    result.reason = std::string("exception: ") + error.what();
  }
  return result;
}

int run_worker(const WorkerOptions& options) {
  settle_worker(options.memory_gib);
  FILE* answers = take_stdout();
  ModelOptions model;
  model.device = options.device;
  model.threads = 1;
  const session::OpenedDevice opened = model.open();
  const auto say = [&](const std::string& line) {
    std::fprintf(answers, "%s\n", line.c_str());
    std::fflush(answers);
  };
  say("ready");
  for (std::string folder; std::getline(std::cin, folder);)
    say(dumped(result_json(run_test(folder, *opened.device, options))));
  return 0;
}

// ---- the command ----

std::vector<fs::path> chosen_tests(const Options& options) {
  std::vector<fs::path> tests = loader::find_conformance_tests(options.root);
  const auto matches = [&](const fs::path& test) {
    const std::string leaf = test.filename().string();
    const std::string name = test.parent_path().filename().string() + "/" + leaf;
    return std::any_of(options.filters.begin(), options.filters.end(), [&](const std::string& filter) {
      return fnmatch(filter.c_str(), leaf.c_str(), 0) == 0 || fnmatch(filter.c_str(), name.c_str(), 0) == 0;
    });
  };
  if (!options.filters.empty()) std::erase_if(tests, [&](const fs::path& test) { return !matches(test); });
  if (tests.empty())
    throw Error(ErrorCode::kInvalidModel,
                options.root + (options.filters.empty()
                                    ? ": no folder with model.onnx and test_data_set_* is below it"
                                    : ": no test there matches --filter"));
  return tests;
}

ConformanceRow row_of(const fs::path& test, const std::string& device) {
  ConformanceRow row;
  row.device = device;
  row.kind = fs::absolute(test).parent_path().filename().string();
  row.name = row.kind + "/" + test.filename().string();
  return row;
}

loader::ConformanceResult result_of(const Answer& answer) {
  loader::ConformanceResult result;
  result.reason = answer.failure;
  if (!answer.failure.empty()) return result;
  try {
    return parse_result(nlohmann::json::parse(answer.line));
  } catch (const nlohmann::json::exception& error) {
    result.reason = std::string("the worker's answer is damaged: ") + error.what();
  }
  return result;
}

void show(const ConformanceRow& row, const Options& options) {
  if (options.failures_only && row.result.status != loader::ConformanceResult::Status::kFailed) return;
  options.format == "text" ? print_row(row) : void(std::printf("%s\n", dumped(row_json(row)).c_str()));
  std::fflush(stdout);
}

std::vector<ConformanceRow> run_device(const std::vector<fs::path>& tests, const std::string& device,
                                       const Options& options) {
  PoolOptions pool;
  const auto text = [](double number) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.9g", number);
    return std::string(buffer);
  };
  pool.arguments = {kWorkerCommand,
                    "--device",
                    device,
                    "--rtol",
                    text(options.tolerance.rtol),
                    "--atol",
                    text(options.tolerance.atol),
                    "--memory",
                    text(options.memory_gib)};
  pool.workers = options.jobs;
  pool.time_limit = options.time_limit;
  std::vector<std::string> requests;
  std::vector<ConformanceRow> rows;
  for (const fs::path& test : tests) {
    requests.push_back(test.string());
    rows.push_back(row_of(test, device));
  }
  run_requests(requests, pool, [&](size_t index, const Answer& answer) {
    rows[index].seconds = answer.seconds;
    rows[index].result = result_of(answer);
    show(rows[index], options);
  });
  return rows;
}

void write_json(const std::vector<ConformanceRow>& rows, const Options& options) {
  if (options.json_file.empty()) return;
  nlohmann::json all = nlohmann::json::array();
  for (const ConformanceRow& row : rows) all.push_back(row_json(row));
  std::ofstream out(options.json_file);
  out << all.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  if (!out) throw Error(ErrorCode::kRuntime, options.json_file + ": cannot be written");
}

int run(const Options& options) {
  const Expectations expectations = Expectations::read(options.expect_file);
  const std::vector<fs::path> tests = chosen_tests(options);
  std::vector<ConformanceRow> rows;
  for (const std::string& device : options.devices) {
    const auto more = run_device(tests, device, options);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  if (options.format == "text") {
    for (const std::string& device : options.devices) print_summary(rows, device);
  }
  write_json(rows, options);
  if (!options.write_expect_file.empty()) Expectations::write(options.write_expect_file, rows);
  const std::vector<std::string> surprises = expectations.surprises(rows);
  for (const std::string& line : surprises) {
    if (!options.expect_file.empty()) std::fprintf(stderr, "vulcap: unexpected: %s\n", line.c_str());
  }
  return surprises.empty() ? 0 : int(ErrorCode::kMismatch);
}

void add_tolerance(CLI::App& command, loader::Tolerance& tolerance) {
  command.add_option("--rtol", tolerance.rtol, "Allowed difference as a share of the expected value")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--atol", tolerance.atol, "Allowed absolute difference")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

Command add_conformance(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "conformance", "Run tests in the ONNX project's layout (model.onnx, test_data_set_*) below a folder");
  command->add_option("folder", options->root, "A test's folder or one above it")->required();
  command->add_option("--device", options->devices, "cpu, vulkan, vulkan:N ...; a list runs them in turn")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("-j,--jobs", options->jobs, "Tests at a time, each worker a process")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command
      ->add_option("--filter", options->filters,
                   "Only tests that match a pattern such as 'test_conv*' or 'simple/*'")
      ->allow_extra_args(false);
  add_tolerance(*command, options->tolerance);
  command->add_option("--timeout", options->time_limit, "Seconds a test may take")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--memory", options->memory_gib, "Address space of a worker in GiB; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--json", options->json_file, "Write every result to a file");
  command->add_option("--expect", options->expect_file,
                      "Known failures, a line each: DEVICE KIND/TEST: reason (DEVICE * for all)");
  command->add_option("--write-expect", options->write_expect_file,
                      "Write this run's failures as such a file");
  command->add_option("--format", options->format, "text or jsonl")
      ->check(CLI::IsMember({"text", "jsonl"}))
      ->capture_default_str();
  command->add_flag("--failures", options->failures_only, "Print failed tests only");
  return [options] { return run(*options); };
}

Command add_conformance_worker(CLI::App& app) {
  auto options = std::make_shared<WorkerOptions>();
  CLI::App* command = app.add_subcommand(kWorkerCommand, "Run the tests named on stdin")->group("");
  command->add_option("--device", options->device)->required();
  command->add_option("--memory", options->memory_gib);
  add_tolerance(*command, options->tolerance);
  return [options] { return run_worker(*options); };
}

}  // namespace vulcap::apps
