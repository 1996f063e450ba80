#include "apps/batch/record_format.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "apps/batch/csv.h"
#include "apps/cli/remarks.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

RecordIdentity identify_json(std::string_view text) {
  const auto record = nlohmann::json::parse(text);
  return {key_of(record), record.contains("error")};
}

std::string json_outcome(std::string_view text) {
  auto record = nlohmann::json::parse(text);
  for (const char* name : {"timing", "device", "fallback"}) record.erase(name);
  if (record.contains("captions")) {
    for (auto& caption : record["captions"]) caption.erase("score");
  }
  return dumped(record);
}

std::string write_json(const CaptionRecord& record, const BatchItem& item) {
  nlohmann::json line = record_json(record);
  add_identity(item, line);
  return dumped(line) + "\n";
}

constexpr size_t kFile = 0;
constexpr size_t kRank = 1;
constexpr size_t kScore = 3;
constexpr size_t kDevice = 5;
constexpr size_t kError = 8;

std::vector<std::string> row_fields(std::string_view text) {
  std::vector<std::string> fields = csv_fields(text, ',');
  const size_t expected = csv_fields(csv_header(), ',').size();
  if (fields.size() != expected) throw std::invalid_argument("a row with other fields");
  return fields;
}

// A failure is one row without rank.
RecordIdentity identify_csv(std::string_view text) {
  const auto fields = row_fields(text.substr(0, csv_end(text)));
  if (fields[kFile].empty() || (!fields[kRank].empty() && fields[kRank] != "1"))
    throw std::invalid_argument("not the first row of a record");
  return {fields[kFile], fields[kRank].empty()};
}

std::string csv_outcome(std::string_view text) {
  std::string outcome;
  while (!text.empty()) {
    const size_t length = csv_end(text) == 0 ? text.size() : csv_end(text);
    const auto fields = row_fields(text.substr(0, length));
    for (size_t i = 0; i < fields.size(); ++i) {
      if (i != kScore && (i < kDevice || i >= kError)) outcome += fields[i] + '\0';
    }
    text.remove_prefix(length);
  }
  return outcome;
}

// Where the first row begins a record of several captions, all their rows.
size_t csv_record_end(std::string_view text, int64_t captions) {
  size_t length = csv_end(text);
  if (length == 0) return 0;
  const auto fields = csv_fields(text.substr(0, length), ',');
  if (fields.size() <= kRank || fields[kRank] != "1") return length;
  for (int64_t row = 1; row < captions; ++row) {
    const size_t more = csv_end(text.substr(length));
    if (more == 0) return 0;
    length += more;
  }
  return length;
}

std::string write_csv(const CaptionRecord& record, const BatchItem& item) {
  if (key_of(item) == item.file) return record_csv(record);
  throw core::Error(core::ErrorCode::kUsage,
                    "--format csv has no column for the ids and prompts of a manifest; use --format jsonl");
}

}  // namespace

RecordFormat record_format(const std::string& name, int64_t captions) {
  if (name == "jsonl") return {name, "", line_end, identify_json, json_outcome, write_json};
  if (name != "csv") throw core::Error(core::ErrorCode::kUsage, "--format takes jsonl or csv, not " + name);
  return {name,
          csv_header(),
          [captions](std::string_view text) { return csv_record_end(text, captions); },
          identify_csv,
          csv_outcome,
          write_csv};
}

}  // namespace vulcap::apps
