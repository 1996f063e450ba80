#include "apps/quantization_trials.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "apps/cli/device_options.h"
#include "apps/cli/log.h"
#include "apps/quantization_report.h"
#include "loader/conversion/quantization/calibration/calibrate.h"
#include "loader/conversion/quantization/report.h"
#include "loader/conversion/quantization/search.h"
#include "loader/model_dir.h"
#include "loader/new_file.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& message) { throw core::Error(core::ErrorCode::kUsage, message); }

// "1%" or "0.01".
double share(const std::string& flag, const std::string& text) {
  double value = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const std::string unit(stop, end);
  if (error == std::errc() && unit == "%") value /= 100;
  if (error != std::errc() || !(unit.empty() || unit == "%") || !(value >= 0 && value <= 1))
    refuse(flag + " " + text + ": give a share from 0% to 100%, as 1% or 0.01");
  return value;
}

// The folder of which a file is a part; none: it lies alone.
std::optional<fs::path> find_model_folder(const fs::path& model) {
  if (fs::is_directory(model)) return model;
  const fs::path place = fs::absolute(model).parent_path();
  for (const fs::path& folder : {place, place.parent_path()}) {
    if (fs::exists(folder / "config.json")) return folder;
  }
  return std::nullopt;
}

// `flag` needs it.
fs::path model_folder(const fs::path& model, const std::string& flag) {
  if (const auto folder = find_model_folder(model)) return *folder;
  refuse(flag + " runs the whole model, and " + model.string() +
         " lies in no model folder (there is no config.json): give the folder");
}

void write_json(const std::string& path, const nlohmann::json& json) {
  const std::string text = json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  loader::NewFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

}  // namespace

void QuantizationTrials::add_to(CLI::App& command) {
  command.option_defaults()->group("Calibration");
  command.add_option(
      "--calibrate", calibration_,
      "int8, uint8, q8: a folder of images, or a text file with a text a line, that the model is "
      "run on; activations are then quantised by the ranges seen (QDQ), not as they come");
  CLI::Option* method =
      command
          .add_option("--calibration-method", method_,
                      "minmax, percentile or entropy: how much of what was seen a range holds")
          ->check(CLI::IsMember({"minmax", "percentile", "entropy"}))
          ->capture_default_str();
  command
      .add_option("--percentile", percentile_,
                  "Of --calibration-method percentile: the share of numbers held")
      ->check(CLI::Range(50.0, 100.0))
      ->needs(method)
      ->capture_default_str();
  command
      .add_option("--calibration-samples", calibration_samples_,
                  "The first so many images or lines are taken")
      ->check(CLI::Range(size_t(1), size_t(1) << 20))
      ->capture_default_str();
  command.option_defaults()->group("Report");
  command.add_option("--images", images_,
                     "A folder of images, or a text file, to compare answers and times on before and after");
  command.add_option("--prompt", prompt_.text, "For models that caption: what is asked about each image");
  command.add_option("--task", prompt_.task, "For models with tasks: the one that is tried");
  command.add_option("--report", report_, "JSON file to write the report to");
  command.add_flag("--no-report", silent_, "Run nothing after the files are written");
  command.add_option("-t,--threads", threads_, "Threads of the CPU back end; 0: every processor")
      ->check(CLI::Range(0, 1024));
  command.option_defaults()->group("Search");
  CLI::Option* search = command.add_flag(
      "--auto", search_,
      "Search the smallest mix of formats, by file and by layer, that keeps the answers to --images");
  command.add_option("--max-caption-change", max_change_, "Of --auto: the share of answers that may change")
      ->needs(search)
      ->capture_default_str();
  command.option_defaults()->group("Options");
}

void QuantizationTrials::check(const fs::path& model, const fs::path& out) const {
  const bool whole = fs::is_directory(model);
  if (search_ && !whole) refuse("--auto is for a model folder; " + model.string() + " is one file");
  if (search_ && images_.empty()) refuse("--auto needs --images: what is the model to be tried on?");
  if (!images_.empty() && !whole && !out.empty())
    refuse("--images with one file and --output: give the model folder, so that what is written can be run");
  if (!images_.empty()) {
    model_folder(model, "--images");
    samples();
  }
  share("--max-caption-change", max_change_);
}

std::optional<conversion::Samples> QuantizationTrials::samples() const {
  if (images_.empty()) return std::nullopt;
  return conversion::Samples::read(images_);
}

std::shared_ptr<const quantization::Calibration> QuantizationTrials::calibrate(const fs::path& model) const {
  if (calibration_.empty()) return nullptr;
  const auto samples = conversion::Samples::read(calibration_, calibration_samples_);
  const quantization::RangeOptions ranges{quantization::parse_range_method(method_), percentile_};
  return std::make_shared<quantization::Calibration>(
      quantization::calibrate(model_folder(model, "--calibrate"), samples, ranges, threads_, prompt_));
}

session::OpenedDevice QuantizationTrials::open(const std::string& device) const {
  DeviceOptions options;
  options.device = device;
  options.threads = threads_;
  return options.open();
}

// The CPU, and the Vulkan device where there is one.
std::vector<session::OpenedDevice> QuantizationTrials::devices() const {
  std::vector<session::OpenedDevice> devices{open("cpu")};
  if (images_.empty()) return devices;
  try {
    devices.push_back(open("vulkan"));
  } catch (const core::Error& error) {
    log_warning("no times on Vulkan: " + error.message());
  }
  return devices;
}

std::vector<quantization::ModuleFormat> QuantizationTrials::search(
    const fs::path& model, const quantization::Options& options) const {
  const double most = share("--max-caption-change", max_change_);
  quantization::SearchRequest request{model, *samples(), prompt_, most};
  request.options = options;
  request.on_trial = print_trial;
  request.on_unused = [](const fs::path& file) {
    log_warning(file.string() + ": the answers do not come from it, so it stays as it is");
  };
  const session::OpenedDevice cpu = open("cpu");
  const quantization::Trial best = quantization::smallest_mix(request, *cpu.device);
  std::vector<quantization::ModuleFormat> modules;
  for (const quantization::Choice& choice : best.mix) {
    if (choice.format)
      modules.push_back({loader::describe_onnx_file(choice.file).stem, *choice.format, choice.exclude});
  }
  if (modules.empty())
    throw core::Error(core::ErrorCode::kMismatch, model.string() + ": every format changes more than " +
                                                      max_change_ +
                                                      " of the answers; allow more by --max-caption-change");
  return modules;
}

int QuantizationTrials::report(const fs::path& model, const fs::path& out,
                               std::vector<quantization::FileResult> files) const {
  if (silent_ && report_.empty()) return 0;
  quantization::ReportRequest request;
  request.samples = samples();
  request.before = request.samples ? model_folder(model, "--images") : find_model_folder(model).value_or("");
  request.after = out.empty() || !fs::is_directory(model) ? request.before : out;
  request.prompt = prompt_;
  request.devices = devices();
  const quantization::Report report = quantization::report_on(std::move(files), request);
  print_report(report);
  if (!report_.empty()) write_json(report_, report_json(report));
  for (const quantization::OutputError& row : report.errors) {
    if (!row.failed) continue;
    log_error(row.graph + ": the quantised graph cannot be run: " + row.note);
    return int(core::ErrorCode::kRuntime);
  }
  return 0;
}

}  // namespace vulcap::apps
