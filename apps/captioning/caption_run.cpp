#include "apps/captioning/caption_run.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "apps/cli/console.h"
#include "apps/cli/log.h"
#include "apps/cli/stop_signals.h"
#include "loader/image/decode.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;

// Far above any image that decodes (kMaxPixels).
constexpr size_t kMaxStdinBytes = size_t(1) << 30;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

image::Image decode(const std::string& file) {
  return file == "-" ? image::decode_bytes(read_stdin(), "stdin") : image::decode_file(file);
}

}  // namespace

void CaptionOptions::add_to(CLI::App& command, const std::vector<std::string>& formats) {
  model.add_to(command);
  command.add_option("-p,--prompt", prompt.text,
                     "What the caption starts with, a question, or an instruction: as the family takes it");
  command.add_option("--task", prompt.task,
                     "A task that the family knows; Florence-2: caption, od, ocr, ocr-with-region, ... or "
                     "their tokens, '<OD>'");
  command
      .add_option("--format", format,
                  "text, json (one array), jsonl (one object a line) or csv (a line a caption)")
      ->check(CLI::IsMember(formats))
      ->capture_default_str();
  command.add_flag("--stream,!--no-stream", streams,
                   "Print each caption word by word; default: where stdout is a terminal");
  command.add_flag("--sidecar", sidecar, "Write photo.txt beside photo.jpg");
  command.add_option("--overlay", overlay,
                     "Draw what the task found over the image, into this PNG; a folder for several images");
  generation.add_to(command);
}

CaptionRun::CaptionRun(const CaptionOptions& options, bool several, bool with_names)
    : options_(options),
      overlays_(options.overlay, several),
      writer_(options.format, options.output, with_names),
      engine_(options.model, remarks_),
      config_(engine_.generation_config(options.generation.flags)),
      streams_(streams()) {}

bool CaptionRun::streams() const {
  const bool possible = options_.format == "text" && options_.output.empty() &&
                        options_.prompt.task.empty() && config_.num_beams == 1 &&
                        config_.num_return_sequences == 1;
  // A family that continues the prompt repeats it in the caption, but not in what comes of it.
  if (!options_.streams.has_value())
    return possible && options_.prompt.text.empty() && console().stdout_is_terminal();
  if (!*options_.streams) return false;
  if (possible) return true;
  throw core::Error(core::ErrorCode::kUsage,
                    "--stream prints one caption as it comes: not with beams, several captions, --task, "
                    "--output or a --format other than text");
}

void CaptionRun::check(const std::vector<std::string>& images) {
  if (options_.sidecar) check_sidecars(images);
  if (options_.overlay.empty()) return;
  for (const std::string& image : images) overlays_.path_for(image);
}

CaptionRecord CaptionRun::record_of(const std::string& file) {
  CaptionRecord record;
  record.file = file;
  record.captioned.device = engine_.device().name;
  loader::OnText on_text;
  if (streams_) {
    on_text = [&](const std::string& text) {
      stop_if_asked();
      writer_.piece(file, text);
    };
  }
  try {
    const auto begin = Clock::now();
    const image::Image image = decode(file);
    record.decode_seconds = seconds_since(begin);
    record.captioned = engine_.caption(image, options_.prompt, config_, on_text);
    overlays_.draw(image, record);
    if (options_.sidecar && record.captioned.error.empty()) write_sidecar(record, file);
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kRuntime) throw;
    record.captioned.error = error.message();
  }
  return record;
}

void CaptionRun::caption(const std::string& file) {
  stop_if_asked();
  const CaptionRecord record = record_of(file);
  remarks_.warn(record_remarks(record));
  const bool done = record.captioned.error.empty();
  if (!done) {
    ++failed_;
    log_error(record.captioned.error);
  } else {
    log_detail(timing_line(record));
  }
  writer_.write(record);
}

std::vector<std::byte> read_stdin() {
  std::vector<std::byte> bytes;
  std::array<std::byte, 1 << 16> chunk;
  while (bytes.size() <= kMaxStdinBytes) {
    if (!StopSignals::wait_readable(STDIN_FILENO)) stop_if_asked();
    const ssize_t got = read(STDIN_FILENO, chunk.data(), chunk.size());
    if (got == 0) return bytes;
    if (got > 0) bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + got);
    if (got < 0 && errno != EINTR)
      throw core::Error(core::ErrorCode::kRuntime,
                        std::string("stdin: cannot be read: ") + std::strerror(errno));
  }
  throw core::Error(core::ErrorCode::kRuntime, "stdin: more than 1 GiB, which is no image that can be read");
}

}  // namespace vulcap::apps
