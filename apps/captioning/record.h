// A captioned file as text, JSON or CSV.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/captioning/engine.h"

namespace vulcap::apps {

struct CaptionRecord {
  std::string file;  // as the user named it
  Captioned captioned;
  double decode_seconds = 0;  // from the file's bytes to pixels
};

// {"file", "caption", "captions": [{"text", "ids", "score"?}], "device", "fallback"?, "retry"?, "timing"}
// with what a task found, or
// {"file", "error"}. Times in seconds.
nlohmann::json record_json(const CaptionRecord& record);
// RFC 4180 with "\n": the header, and a line a caption, best first; a failure is one line without rank.
std::string csv_header();
std::string record_csv(const CaptionRecord& record);
// The captions, or what a task found, a line each.
std::vector<std::string> record_lines(const CaptionRecord& record);
// What the parser of a task's answer has to say.
std::vector<std::string> record_remarks(const CaptionRecord& record);
// Where the time went, one line.
std::string timing_line(const CaptionRecord& record);

}  // namespace vulcap::apps
