#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>

#include "apps/commands.h"
#include "apps/overlay.h"
#include "loader/generation_config.h"
#include "loader/grounding/overlay.h"
#include "loader/image/decode.h"
#include "loader/tasks/captioner.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  ModelOptions model;
  std::vector<std::string> images;
  std::string format = "text";
  loader::CaptionPrompt prompt;
  std::string overlay;  // a PNG, or a folder for several images; empty: none
  GenerationOptions generation;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Outcome {
  std::string file;
  loader::CaptionResult result;
  double decode_seconds = 0;
  std::string error;  // empty when there is a caption
};

nlohmann::json timing_json(const Outcome& outcome) {
  const loader::CaptionTiming& t = outcome.result.timing;
  return {{"decode", outcome.decode_seconds},
          {"preprocess", t.preprocess},
          {"encode", t.encode},
          {"prefill", t.prefill},
          {"steps", t.steps},
          {"detokenize", t.detokenize},
          {"total", t.total + outcome.decode_seconds}};
}

// What a task found: as transformers gives it, and region by region.
void add_answer(nlohmann::json& entry, const loader::Caption& caption) {
  if (!caption.answer) return;
  entry["task"] = caption.answer->task;
  entry["answer"] = grounding::reference_form(*caption.answer);
  if (caption.answer->type == grounding::AnswerType::kPureText) return;
  entry["regions"] = nlohmann::json::array();
  for (const grounding::Region& region : caption.answer->regions)
    entry["regions"].push_back(grounding::region_json(region));
}

nlohmann::json record(const Outcome& outcome, const std::string& device) {
  nlohmann::json item{{"file", outcome.file}};
  if (!outcome.error.empty()) {
    item["error"] = outcome.error;
    return item;
  }
  item["caption"] = outcome.result.captions.at(0).text;
  add_answer(item, outcome.result.captions.at(0));
  item["captions"] = nlohmann::json::array();
  for (const loader::Caption& caption : outcome.result.captions) {
    nlohmann::json entry{{"text", caption.text}, {"ids", caption.ids}};
    if (caption.score) entry["score"] = *caption.score;
    add_answer(entry, caption);
    item["captions"].push_back(std::move(entry));
  }
  item["device"] = device;
  item["timing"] = timing_json(outcome);
  return item;
}

void print_text(const Outcome& outcome, bool with_name) {
  for (const loader::Caption& caption : outcome.result.captions) {
    const auto lines = caption.answer ? grounding::answer_lines(*caption.answer) : std::vector{caption.text};
    for (const std::string& line : lines) {
      if (with_name) std::printf("%s: ", outcome.file.c_str());
      std::printf("%s\n", line.c_str());
    }
  }
}

std::vector<std::string> answer_remarks(const Outcome& outcome) {
  std::vector<std::string> remarks;
  for (const loader::Caption& caption : outcome.result.captions) {
    for (const std::string& line : caption.answer ? caption.answer->remarks : std::vector<std::string>{})
      remarks.push_back(outcome.file + ": " + line);
  }
  return remarks;
}

void print_timing(const Outcome& outcome) {
  const loader::CaptionTiming& t = outcome.result.timing;
  const double steps = std::accumulate(t.steps.begin(), t.steps.end(), 0.0);
  std::fprintf(stderr,
               "%s: decode %.2f ms, preprocess %.2f ms, encode %.2f ms, prefill %.2f ms, %zu steps of %.2f "
               "ms, total %.2f ms\n",
               outcome.file.c_str(), outcome.decode_seconds * 1e3, t.preprocess * 1e3, t.encode * 1e3,
               t.prefill * 1e3, t.steps.size(), t.steps.empty() ? 0.0 : steps / double(t.steps.size()) * 1e3,
               (t.total + outcome.decode_seconds) * 1e3);
}

void draw(const image::Image& image, const loader::Caption& caption, const std::filesystem::path& path) {
  if (!caption.answer || caption.answer->type == grounding::AnswerType::kPureText) {
    throw core::Error(core::ErrorCode::kUsage,
                      "--overlay draws boxes and polygons, which this model and task do not give; Florence-2 "
                      "does, with --task od for instance");
  }
  grounding::write_overlay(image, caption.answer->regions, path);
}

// `overlay`: where to draw what was found; empty: nowhere.
Outcome caption_file(loader::Captioner& captioner, const std::string& file,
                     const loader::CaptionPrompt& prompt, const generate::GenerationConfig& config,
                     const std::filesystem::path& overlay) {
  Outcome outcome;
  outcome.file = file;
  const auto begin = Clock::now();
  try {
    const image::Image image = image::decode_file(file);
    outcome.decode_seconds = seconds_since(begin);
    outcome.result = captioner.caption(image, prompt, config);
    if (!overlay.empty()) draw(image, outcome.result.captions.at(0), overlay);
  } catch (const core::Error& error) {
    // A bad image is that image's failure; anything else ends the run.
    if (error.code() != core::ErrorCode::kRuntime) throw;
    outcome.error = error.message();
  }
  return outcome;
}

int run(const Options& options) {
  const auto begin = Clock::now();
  std::vector<std::filesystem::path> overlays(options.images.size());
  if (!options.overlay.empty()) overlays = overlay_paths(options.overlay, options.images);
  const session::OpenedDevice opened = options.model.open();
  if (!options.model.verbose && options.model.device == "auto" && !opened.is_vulkan) {
    std::fprintf(stderr, "vulcap: running on the cpu: %s\n", opened.reason.c_str());
  }
  const auto captioner =
      loader::load_captioner(options.model.model_dir(), *opened.device, options.model.load_options());
  Remarks remarks;
  std::vector<std::string> warnings;
  const generate::GenerationConfig config = captioner->generation_config(options.generation.flags, warnings);
  remarks.warn(warnings);
  remarks.warn(captioner->warnings());
  if (options.model.verbose) {
    for (const std::string& line : captioner->description()) std::fprintf(stderr, "%s\n", line.c_str());
    std::fprintf(stderr, "load: %.1f ms\n", seconds_since(begin) * 1e3);
  }

  nlohmann::json all = nlohmann::json::array();
  int failed = 0;
  for (size_t i = 0; i < options.images.size(); ++i) {
    const Outcome outcome = caption_file(*captioner, options.images[i], options.prompt, config, overlays[i]);
    remarks.warn(captioner->warnings());
    remarks.warn(answer_remarks(outcome));
    remarks.tell(captioner->fallbacks());
    if (!outcome.error.empty()) {
      ++failed;
      std::fprintf(stderr, "vulcap: error: %s\n", outcome.error.c_str());
    } else if (options.model.verbose) {
      print_timing(outcome);
    }
    if (options.format == "text" && outcome.error.empty()) print_text(outcome, options.images.size() > 1);
    if (options.format == "json") all.push_back(record(outcome, opened.name));
    if (options.format == "jsonl") std::printf("%s\n", dumped(record(outcome, opened.name)).c_str());
    std::fflush(stdout);
  }
  if (options.format == "json") std::printf("%s\n", dumped(all, 2).c_str());
  return failed == 0 ? 0 : int(core::ErrorCode::kRuntime);
}

}  // namespace

Command add_caption(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("caption", "Print one caption an image");
  options->model.add_to(*command);
  command->add_option("images", options->images, "PNG or JPEG files")->required();
  command->add_option("--format", options->format, "text, json (one array) or jsonl (one object a line)")
      ->check(CLI::IsMember({"text", "json", "jsonl"}))
      ->capture_default_str();
  command->add_option("-p,--prompt", options->prompt.text,
                      "What the caption starts with, a question, or an instruction: as the family takes it");
  command->add_option("--task", options->prompt.task,
                      "A task that the family knows; Florence-2: caption, od, ocr, ocr-with-region, ... or "
                      "their tokens, '<OD>'");
  command->add_option("--overlay", options->overlay,
                      "Draw what the task found over the image, into this PNG; a folder for several images");
  options->generation.add_to(*command);
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
