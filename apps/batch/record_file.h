// The output of a batch job: records that are appended and never lost, doubled or torn, whatever ends the
// process. A record counts once its end of line is there; what comes behind the last one is cut off when the
// job goes on. See journal.h for what stands beside it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "apps/batch/journal.h"
#include "apps/batch/key_set.h"
#include "apps/batch/record_format.h"

namespace vulcap::apps {

struct OutputRecord {
  std::string text;  // with its end of line
  bool failed = false;
};

enum class Claim { kNew, kRecorded, kTwice };

enum class OutputStart { kResume, kRetryFailed, kOverwrite };

// Safe for several threads once begun. Throws core::Error(kRuntime) when writing fails; what was appended
// before is whole then.
class RecordFile {
 public:
  // Takes the lock. Throws core::Error: kRuntime as Journal, kUsage for a path that is no regular file.
  RecordFile(std::filesystem::path path, OutputStart start);

  // Reads what is there, which must have been made with this header: "format", "shard", "directory", "vulcap"
  // and "settings", and shows each record to `visit`. Throws core::Error: kUsage where that differs or
  // records are there without a journal, kRuntime for a damaged file.
  void begin(RecordFormat format, const nlohmann::json& header,
             const std::function<void(const RecordIdentity&)>& visit);

  // Of an item that this process is about to make a record of; only a kNew one may be appended.
  Claim claim(const std::string& key);
  // Whether an earlier run made a record of it.
  bool has_record(const std::string& key) const;
  // All in one write. They are on the disk a few seconds later, or when the object says so.
  void append(std::span<const OutputRecord> records);
  // Returns when all is on the disk.
  void commit();
  // The same, and notes that every input has its record.
  void finish();

  Commit count() const;  // of all records, earlier runs included

 private:
  // Visits every whole record; returns where they end.
  uint64_t scan(const std::function<void(const RecordIdentity&, std::string_view)>& visit) const;
  void read_records(const std::function<void(const RecordIdentity&)>& visit);
  void drop_failed();
  void commit_locked();

  std::filesystem::path path_;
  RecordFormat format_;
  OutputStart start_;
  Journal journal_;
  std::unique_ptr<AppendFile> file_;
  KeySet recorded_;  // by earlier runs
  KeySet claimed_;
  Commit count_;
  std::chrono::steady_clock::time_point committed_at_;
  mutable std::mutex mutex_;
};

}  // namespace vulcap::apps
