#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "apps/cli/log.h"
#include "apps/commands.h"
#include "loader/tasks/transcriber.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  ModelOptions model;
  std::vector<std::string> files;
  std::string format = "text";
  GenerationOptions generation;

  bool subtitles() const { return format == "srt" || format == "vtt"; }
};

struct Outcome {
  std::string file;
  double seconds = 0;  // of sound
  loader::Transcription result;
  std::string error;  // empty when there is a transcription
};

// "00:01:02.500"; srt has a comma in front of the milliseconds.
std::string clock_time(double seconds, char point) {
  const long long ms = std::llround(seconds * 1000);
  char text[48];
  std::snprintf(text, sizeof text, "%02lld:%02lld:%02lld%c%03lld", ms / 3600000, ms / 60000 % 60,
                ms / 1000 % 60, point, ms % 1000);
  return text;
}

// In one line, without the space that tokens begin with.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin);
}

// Prints segments as they come.
class SegmentPrinter {
 public:
  SegmentPrinter(std::string format, std::string prefix)
      : format_(std::move(format)), prefix_(std::move(prefix)) {
    if (format_ == "vtt") std::printf("WEBVTT\n\n");
  }

  void print(const loader::TranscribedSegment& segment) {
    const char point = format_ == "srt" ? ',' : '.';
    const std::string times = clock_time(segment.start, point) + " --> " + clock_time(segment.end, point);
    const std::string text = one_line(segment.text);
    if (format_ == "text") {
      std::printf("%s[%s] %s\n", prefix_.c_str(), times.c_str(), text.c_str());
    } else if (!text.empty()) {
      if (format_ == "srt") std::printf("%d\n", ++number_);
      std::printf("%s\n%s\n\n", times.c_str(), text.c_str());
    }
    std::fflush(stdout);
  }

 private:
  std::string format_;
  std::string prefix_;
  int number_ = 0;
};

nlohmann::json record(const Outcome& outcome, const std::string& device) {
  nlohmann::json item{{"file", outcome.file}};
  if (!outcome.error.empty()) {
    item["error"] = outcome.error;
    return item;
  }
  const loader::Transcription& result = outcome.result;
  item["text"] = result.text;
  if (!result.language.empty()) item["language"] = result.language;
  item["segments"] = nlohmann::json::array();
  for (const loader::TranscribedSegment& segment : result.segments) {
    item["segments"].push_back(
        {{"start", segment.start}, {"end", segment.end}, {"text", segment.text}, {"ids", segment.ids}});
  }
  item["text_with_timestamps"] = result.text_with_timestamps;
  item["ids"] = result.ids;
  item["duration"] = outcome.seconds;
  item["device"] = device;
  const loader::TranscriptionTiming& t = result.timing;
  item["timing"] = {{"features", t.features},
                    {"encode", t.encode},
                    {"prefill", t.generation.prefill},
                    {"steps", t.generation.steps},
                    {"total", t.total}};
  return item;
}

std::string timing_line(const Outcome& outcome) {
  const loader::TranscriptionTiming& t = outcome.result.timing;
  const auto& steps = t.generation.steps;
  const double sum = std::accumulate(steps.begin(), steps.end(), 0.0);
  char line[256];
  std::snprintf(line, sizeof line,
                ": %.2f s of sound, features %.2f ms, encode %.2f ms, prefill %.2f ms, %zu steps of %.2f ms, "
                "total %.2f ms",
                outcome.seconds, t.features * 1e3, t.encode * 1e3, t.generation.prefill * 1e3, steps.size(),
                steps.empty() ? 0.0 : sum / double(steps.size()) * 1e3, t.total * 1e3);
  return outcome.file + line;
}

Outcome transcribe_file(loader::Transcriber& transcriber, const std::string& file,
                        const speech::TranscriptionConfig& config, const loader::OnSegment& on_segment) {
  Outcome outcome;
  outcome.file = file;
  try {
    const audio::Audio audio = audio::read_audio(file);
    outcome.seconds = audio.seconds();
    outcome.result = transcriber.transcribe(audio, config, on_segment);
  } catch (const core::Error& error) {
    // A bad recording is that recording's failure; anything else ends the run.
    if (error.code() != core::ErrorCode::kRuntime) throw;
    outcome.error = error.message().starts_with(file) ? error.message() : file + ": " + error.message();
  }
  return outcome;
}

// Whether segments are printed one by one, rather than the text as a whole.
bool prints_segments(const Options& options, const speech::TranscriptionConfig& config) {
  return options.subtitles() || (options.format == "text" && config.return_timestamps.value_or(false));
}

int run_files(const Options& options, loader::Transcriber& transcriber,
              const speech::TranscriptionConfig& config, const std::string& device, Remarks& remarks) {
  nlohmann::json all = nlohmann::json::array();
  int failed = 0;
  for (const std::string& file : options.files) {
    const std::string prefix = options.files.size() > 1 ? file + ": " : "";
    std::optional<SegmentPrinter> printer;
    if (prints_segments(options, config)) printer.emplace(options.format, prefix);
    const Outcome outcome = transcribe_file(transcriber, file, config, [&](const auto& segment) {
      if (printer) printer->print(segment);
    });
    remarks.warn(transcriber.warnings());
    remarks.tell(transcriber.fallbacks());
    if (!outcome.error.empty()) {
      ++failed;
      log_error(outcome.error);
    } else {
      log_detail(timing_line(outcome));
    }
    if (options.format == "text" && !printer && outcome.error.empty())
      std::printf("%s%s\n", prefix.c_str(), one_line(outcome.result.text).c_str());
    if (options.format == "json") all.push_back(record(outcome, device));
    if (options.format == "jsonl") std::printf("%s\n", dumped(record(outcome, device)).c_str());
    std::fflush(stdout);
  }
  if (options.format == "json") std::printf("%s\n", dumped(all, 2).c_str());
  return failed == 0 ? 0 : int(core::ErrorCode::kRuntime);
}

int run(const Options& options) {
  if (options.subtitles() && options.files.size() > 1)
    throw core::Error(core::ErrorCode::kUsage, "--format " + options.format + " takes one file at a time");
  const session::OpenedDevice opened = options.model.open();
  const auto transcriber =
      loader::load_transcriber(options.model.model_dir(), *opened.device, options.model.load_options());
  loader::GenerationFlags flags = options.generation.flags;
  if (options.subtitles()) flags.emplace_back("return-timestamps", "true");
  std::vector<std::string> warnings;
  const speech::TranscriptionConfig config = transcriber->config(flags, warnings);
  Remarks remarks;
  remarks.warn(warnings);
  remarks.warn(transcriber->warnings());
  for (const std::string& line : transcriber->description()) log_detail(line);
  return run_files(options, *transcriber, config, opened.name, remarks);
}

// Options that reach the transcriber as flags under transformers' names.
void add_flags(CLI::App& command, loader::GenerationFlags& flags) {
  const auto add = [&](const std::string& names, const std::string& flag, const std::string& help) {
    return command.add_option_function<std::string>(
        names, [&flags, flag](const std::string& value) { flags.emplace_back(flag, value); }, help);
  };
  add("--language", "language", "Spoken language, as name or code: german, de; default: detected");
  add("--task", "task", "transcribe, or translate to English")
      ->check(CLI::IsMember({"transcribe", "translate"}));
  add("-p,--prompt", "prompt", "Text that the recording continues, or names and words that it holds");
  command.add_flag_callback(
      "--timestamps,--return-timestamps", [&flags] { flags.emplace_back("return-timestamps", "true"); },
      "Time stamps; segments with their times in text");
  command.add_flag_callback(
      "--condition-on-prev-tokens", [&flags] { flags.emplace_back("condition-on-prev-tokens", "true"); },
      "Long recordings: a window's prompt holds the text before it");
  add("--prompt-condition-type", "prompt-condition-type",
      "Windows that see --prompt: first-segment or all-segments");
  add("--compression-ratio-threshold", "compression-ratio-threshold",
      "Try the next --temperature where text is more repetitive than this");
  add("--logprob-threshold", "logprob-threshold",
      "Try the next --temperature where the mean log-probability is lower than this");
  add("--no-speech-threshold", "no-speech-threshold",
      "Skip a window that is below --logprob-threshold and likelier silence than this");
}

}  // namespace

Command add_transcribe(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("transcribe", "Print the words of recordings");
  options->model.add_to(*command);
  command->get_option("--model")->required();
  command->add_option("files", options->files, "Sound files: WAV, FLAC, Ogg, MP3, AIFF")->required();
  command
      ->add_option("--format", options->format,
                   "text, json (one array), jsonl (one object a line), or subtitles: srt, vtt")
      ->check(CLI::IsMember({"text", "json", "jsonl", "srt", "vtt"}))
      ->capture_default_str();
  add_flags(*command, options->generation.flags);
  options->generation.add_to(*command);
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
