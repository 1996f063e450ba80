// What the outputs of a batch job's parts hold, all together.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/batch/journal.h"
#include "apps/batch/record_format.h"
#include "apps/batch/shard.h"
#include "runtime/core/mapped_file.h"

namespace vulcap::apps {

// An output as it is now, unlocked and unchanged.
struct Part {
  std::string path;
  JournalContent journal;
  Shard shard;
  std::shared_ptr<const core::MappedFile> file;  // null: empty
  uint64_t records = 0;

  std::string_view text() const;
};

// Throws core::Error: kUsage for a file without a journal, kRuntime for one that cannot be read.
Part open_part(const std::string& path);

struct RecordPlace {
  std::string key;
  uint64_t offset = 0;
  uint32_t length = 0;  // without the end of line
  uint32_t part = 0;
  bool failed = false;
};

// All parts of one job. Throws core::Error(kMismatch) where they do not belong together.
class MergedParts {
 public:
  explicit MergedParts(std::vector<Part> parts);

  const std::vector<Part>& parts() const { return parts_; }
  const nlohmann::json& header() const { return parts_.front().journal.header; }
  const RecordFormat& format() const { return format_; }
  // Sorted by key, one an image.
  const std::vector<RecordPlace>& records() const { return records_; }
  std::string_view text_of(const RecordPlace& place) const;
  // Its place in records().
  std::optional<size_t> find(const std::string& key) const;
  // Records that stood beside another of the same image.
  uint64_t doubled() const { return doubled_; }
  // A line each: parts that are not there or not at their end.
  std::vector<std::string> gaps() const;

 private:
  void check_headers() const;
  void read_records(uint32_t part);
  RecordIdentity identified(const Part& part, std::string_view record, uint64_t offset) const;
  void keep_one_an_image();
  bool better(const RecordPlace& a, const RecordPlace& b) const;

  std::vector<Part> parts_;
  RecordFormat format_;
  std::vector<RecordPlace> records_;
  uint64_t doubled_ = 0;
};

}  // namespace vulcap::apps
