// How a batch job writes a record, and finds it again.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "apps/batch/item.h"
#include "apps/batch/record_scan.h"
#include "apps/captioning/record.h"

namespace vulcap::apps {

struct RecordIdentity {
  std::string key;
  bool failed = false;
};

struct RecordFormat {
  std::string name;
  std::string head;  // what a file begins with: a whole line, or nothing
  RecordEnd end;
  std::function<RecordIdentity(std::string_view)> identify;  // throws std::exception for what is no record
  // What a record says, for a comparison: without times, device and scores, whose last digits depend on what
  // else was in the batch.
  std::function<std::string(std::string_view)> outcome;
  // With its end of line.
  std::function<std::string(const CaptionRecord&, const BatchItem&)> write;
};

// "jsonl": an object a line, as record_json() with the item's identity. "csv": a row a caption, as
// record_csv(); `captions` is how many a record has. Throws core::Error(kUsage) for another name.
RecordFormat record_format(const std::string& name, int64_t captions);

}  // namespace vulcap::apps
