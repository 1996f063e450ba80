#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/captioning/record.h"
#include "apps/commands.h"
#include "apps/overlay.h"
#include "loader/grounding/overlay.h"
#include "loader/image/decode.h"
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

void draw(const image::Image& image, const loader::Caption& caption, const std::filesystem::path& path) {
  if (!caption.answer || caption.answer->type == grounding::AnswerType::kPureText) {
    throw core::Error(core::ErrorCode::kUsage,
                      "--overlay draws boxes and polygons, which this model and task do not give; Florence-2 "
                      "does, with --task od for instance");
  }
  grounding::write_overlay(image, caption.answer->regions, path);
}

// `overlay`: where to draw what was found; empty: nowhere.
CaptionRecord caption_file(CaptionEngine& engine, const std::string& file,
                           const loader::CaptionPrompt& prompt, const generate::GenerationConfig& config,
                           const std::filesystem::path& overlay) {
  CaptionRecord record;
  record.file = file;
  const auto begin = Clock::now();
  try {
    const image::Image image = image::decode_file(file);
    record.decode_seconds = seconds_since(begin);
    record.captioned = engine.caption(image, prompt, config);
    if (!overlay.empty() && record.captioned.error.empty())
      draw(image, record.captioned.result.captions.at(0), overlay);
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kRuntime) throw;
    record.captioned.error = error.message();
  }
  return record;
}

void print_text(const CaptionRecord& record, bool with_name) {
  for (const std::string& line : record_lines(record)) {
    if (with_name) std::printf("%s: ", record.file.c_str());
    std::printf("%s\n", line.c_str());
  }
}

int run(const Options& options) {
  const auto begin = Clock::now();
  std::vector<std::filesystem::path> overlays(options.images.size());
  if (!options.overlay.empty()) overlays = overlay_paths(options.overlay, options.images);
  Remarks remarks;
  CaptionEngine engine(options.model, remarks);
  const generate::GenerationConfig config = engine.generation_config(options.generation.flags);
  if (options.model.verbose) std::fprintf(stderr, "load: %.1f ms\n", seconds_since(begin) * 1e3);

  nlohmann::json all = nlohmann::json::array();
  int failed = 0;
  for (size_t i = 0; i < options.images.size(); ++i) {
    const CaptionRecord record = caption_file(engine, options.images[i], options.prompt, config, overlays[i]);
    const std::string& error = record.captioned.error;
    remarks.warn(record_remarks(record));
    if (!error.empty()) {
      ++failed;
      std::fprintf(stderr, "vulcap: error: %s\n", error.c_str());
    } else if (options.model.verbose) {
      std::fprintf(stderr, "%s\n", timing_line(record).c_str());
    }
    if (options.format == "text" && error.empty()) print_text(record, options.images.size() > 1);
    if (options.format == "json") all.push_back(record_json(record));
    if (options.format == "jsonl") std::printf("%s\n", dumped(record_json(record)).c_str());
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
