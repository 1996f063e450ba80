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
#include <unordered_set>

#include "apps/batch/journal.h"
#include "apps/batch/record_scan.h"

namespace vulcap::apps {

struct Identity {
  std::string key;
  bool failed = false;
};

// How records are told apart in a file.
struct RecordSyntax {
  std::string name;  // jsonl
  std::string head;  // what the file begins with
  RecordEnd end;
  std::function<Identity(std::string_view)> identify;  // throws std::exception for what is no record
};

// One JSON object a line.
RecordSyntax jsonl_syntax();

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
  RecordFile(std::filesystem::path path, RecordSyntax syntax, OutputStart start);

  // Reads what is there, which must have been made with this header: "format", "shard", "directory", "vulcap"
  // and "settings". Throws core::Error: kUsage where that differs or records are there without a journal,
  // kRuntime for a damaged file.
  void begin(const nlohmann::json& header);

  // Of an item that this process is about to make a record of; only a kNew one may be appended.
  Claim claim(const std::string& key);
  // All in one write. They are on the disk a few seconds later, or when the object says so.
  void append(std::span<const OutputRecord> records);
  // Returns when all is on the disk.
  void commit();
  // The same, and notes that every input has its record.
  void finish();

  Commit count() const;  // of all records, earlier runs included

 private:
  struct Key {
    uint64_t low;
    uint64_t high;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return size_t(key.low); }
  };

  static Key digest(const std::string& key);
  // Visits every whole record; returns where they end.
  uint64_t scan(const std::function<void(const Identity&, std::string_view)>& visit) const;
  void read_records();
  void drop_failed();
  void commit_locked();

  std::filesystem::path path_;
  RecordSyntax syntax_;
  OutputStart start_;
  Journal journal_;
  std::unique_ptr<AppendFile> file_;
  std::unordered_set<Key, KeyHash> recorded_;  // by earlier runs
  std::unordered_set<Key, KeyHash> claimed_;
  Commit count_;
  std::chrono::steady_clock::time_point committed_at_;
  mutable std::mutex mutex_;
};

}  // namespace vulcap::apps
