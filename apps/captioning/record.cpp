#include "apps/captioning/record.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/cli/remarks.h"

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

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (const std::string& field : fields) {
    if (&field != fields.data()) line += ',';
    if (field.find_first_of(",\"\r\n") == std::string::npos) {
      line += field;
      continue;
    }
    line += '"';
    for (const char c : field) line += c == '"' ? std::string("\"\"") : std::string(1, c);
    line += '"';
  }
  return line + "\n";
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
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
  if (!record.captioned.retry.empty()) item["retry"] = record.captioned.retry;
  item["timing"] = timing_json(record);
  return item;
}

std::string csv_header() { return "file,rank,caption,score,answer,device,fallback,seconds,error\n"; }

std::string record_csv(const CaptionRecord& record) {
  const Captioned& captioned = record.captioned;
  if (!captioned.error.empty())
    return csv_line({record.file, "", "", "", "", captioned.device, captioned.fallback, "", captioned.error});
  std::string lines;
  int rank = 0;
  const std::string seconds = number_text(captioned.result.timing.total + record.decode_seconds);
  for (const loader::Caption& caption : captioned.result.captions) {
    lines += csv_line({record.file, std::to_string(++rank), caption.text,
                       caption.score ? number_text(*caption.score) : "",
                       caption.answer ? dumped(grounding::reference_form(*caption.answer)) : "",
                       captioned.device, captioned.fallback, seconds, ""});
  }
  return lines;
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
