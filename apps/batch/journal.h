// What stands beside the output of a batch job, in OUTPUT.journal: with which settings its records were made,
// and how much of it is certain to be on the disk. Lines of JSON:
//   {"journal": "vulcap batch", "version", "vulcap", "format", "captions", "shard", "directory", "settings"}: the first
//   {"started": TIME, "host", "pid"}: a process has begun to append
//   {"committed": BYTES, "records", "failed"}: so much of the output was on the disk
//   {"finished": TIME, "records", "failed"}: every input of that run has its record
// The journal's lock is the output's: whoever appends to either holds it.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/batch/append_file.h"

namespace vulcap::apps {

struct Commit {
  uint64_t bytes = 0;
  uint64_t records = 0;
  uint64_t failed = 0;  // of the records
};

struct JournalContent {
  nlohmann::json header;   // null: there is none
  nlohmann::json started;  // the last such line; null: there is none
  Commit committed;        // the last one
  bool finished = false;   // and nothing was begun since
};

std::filesystem::path journal_path(const std::filesystem::path& output);

// Without lock or change, for who only reads outputs. An absent journal is an empty one. Throws
// core::Error(kRuntime) for a file that is no journal or cannot be read.
JournalContent read_journal(const std::filesystem::path& output);

class Journal {
 public:
  // Locks and reads; a torn last line is cut off. `anew`: what is there is forgotten unread. Throws
  // core::Error(kRuntime) where another process holds the lock, or as read_journal().
  Journal(const std::filesystem::path& output, bool anew);

  const JournalContent& content() const { return content_; }
  // Why the lock is none; mostly empty.
  const std::string& lock_warning() const { return lock_warning_; }

  void write_header(const nlohmann::json& header);
  void start();
  void commit(const Commit& commit);
  void finish();

 private:
  void add(const nlohmann::json& line);

  AppendFile file_;
  std::string lock_warning_;
  JournalContent content_;
};

}  // namespace vulcap::apps
