#include "apps/captioning/record.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

namespace vulcap::apps {
namespace {

nlohmann::json timing_json(const CaptionRecord& record) {
  const loader::CaptionTiming& t = record.captioned.result.timing;
  return {{"decode", record.decode_seconds},
          {"preprocess", t.preprocess},
          {"encode", t.encode},
          {"prefill", t.prefill},
          {"steps", t.steps},
          {"detokenize", t.detokenize},
          {"total", t.total + record.decode_seconds}};
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

}  // namespace

nlohmann::json record_json(const CaptionRecord& record) {
  nlohmann::json item{{"file", record.file}};
  if (!record.captioned.error.empty()) {
    item["error"] = record.captioned.error;
    return item;
  }
  item["caption"] = record.captioned.result.captions.at(0).text;
  add_answer(item, record.captioned.result.captions.at(0));
  item["captions"] = nlohmann::json::array();
  for (const loader::Caption& caption : record.captioned.result.captions) {
    nlohmann::json entry{{"text", caption.text}, {"ids", caption.ids}};
    if (caption.score) entry["score"] = *caption.score;
    add_answer(entry, caption);
    item["captions"].push_back(std::move(entry));
  }
  item["device"] = record.captioned.device;
  if (!record.captioned.fallback.empty()) item["fallback"] = record.captioned.fallback;
  item["timing"] = timing_json(record);
  return item;
}

std::vector<std::string> record_lines(const CaptionRecord& record) {
  std::vector<std::string> lines;
  for (const loader::Caption& caption : record.captioned.result.captions) {
    const auto more = caption.answer ? grounding::answer_lines(*caption.answer) : std::vector{caption.text};
    lines.insert(lines.end(), more.begin(), more.end());
  }
  return lines;
}

std::vector<std::string> record_remarks(const CaptionRecord& record) {
  std::vector<std::string> remarks;
  for (const loader::Caption& caption : record.captioned.result.captions) {
    for (const std::string& line : caption.answer ? caption.answer->remarks : std::vector<std::string>{})
      remarks.push_back(record.file + ": " + line);
  }
  return remarks;
}

std::string timing_line(const CaptionRecord& record) {
  const loader::CaptionTiming& t = record.captioned.result.timing;
  const double steps = std::accumulate(t.steps.begin(), t.steps.end(), 0.0);
  const double per_step = t.steps.empty() ? 0 : steps / double(t.steps.size());
  char line[256];
  std::snprintf(
      line, sizeof line,
      ": decode %.2f ms, preprocess %.2f ms, encode %.2f ms, prefill %.2f ms, %zu steps of %.2f ms, "
      "total %.2f ms",
      record.decode_seconds * 1e3, t.preprocess * 1e3, t.encode * 1e3, t.prefill * 1e3, t.steps.size(),
      per_step * 1e3, (t.total + record.decode_seconds) * 1e3);
  return record.file + line;
}

}  // namespace vulcap::apps
