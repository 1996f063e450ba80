// Sound -> text.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loader/audio/read_audio.h"
#include "loader/generation/run_generation.h"
#include "loader/speech/transcription_config.h"
#include "loader/tasks/load_options.h"
#include "runtime/session/program.h"

namespace vulcap::loader {

struct TranscribedSegment {
  double start = 0;  // seconds
  double end = 0;
  std::string text;  // without time stamps and special tokens
  std::vector<int64_t> ids;
};

// Seconds.
struct TranscriptionTiming {
  double features = 0;  // resampling and log-mel features
  double encode = 0;    // all windows
  GenerationTiming generation;
  double total = 0;
};

struct Transcription {
  std::string text;                  // without time stamps and special tokens
  std::string text_with_timestamps;  // with marks <|1.08|>, special tokens kept
  std::string language;              // "en": given or detected; empty where the model has no languages
  std::vector<int64_t> ids;          // as transformers.generate returns them: no prompt, no end token
  std::vector<int64_t> prompt;       // what the decoder of the first window started with
  std::vector<TranscribedSegment> segments;  // without time stamps: one a window
  TranscriptionTiming timing;
};

using OnSegment = std::function<void(const TranscribedSegment&)>;

class Transcriber {
 public:
  virtual ~Transcriber() = default;

  // The folder's settings with `flags` over them (transformers' names in kebab-case: language, task,
  // return-timestamps, prompt, temperature, thresholds and generation options); lines for fields that are
  // not honoured go to `warnings`. Throws core::Error.
  virtual speech::TranscriptionConfig config(const GenerationFlags& flags,
                                             std::vector<std::string>& warnings) const = 0;
  // A recording longer than the model's window is transcribed window after window by its time stamps.
  // `on_segment` is called as segments come; may be empty. Throws core::Error.
  virtual Transcription transcribe(const audio::Audio& audio, const speech::TranscriptionConfig& config,
                                   const OnSegment& on_segment = {}) = 0;
  // Files in use, "role: path (dtype)", and remarks about the folder's settings and what was transcribed.
  virtual std::vector<std::string> description() const = 0;
  virtual std::vector<std::string> warnings() const = 0;
  // In the plans made so far.
  virtual Fallbacks fallbacks() const = 0;
};

// Reads config.json for the family. Throws core::Error(kInvalidModel) for a folder that cannot be used.
std::unique_ptr<Transcriber> load_transcriber(const std::filesystem::path& dir, session::Device& device,
                                              const LoadOptions& options);

}  // namespace vulcap::loader
