#include "apps/batch/record_file.h"

#include <nlohmann/json.hpp>

#include "apps/batch/item.h"
#include "apps/batch/job_header.h"
#include "apps/cli/log.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kCommitInterval = std::chrono::seconds(2);

[[noreturn]] void fail(core::ErrorCode code, const std::filesystem::path& path, const std::string& what) {
  throw core::Error(code, path.string() + ": " + what);
}

void check_header(const std::filesystem::path& path, const nlohmann::json& there, const nlohmann::json& now) {
  if (const std::string text = header_differences(there, now, {"format", "shard"}); !text.empty()) {
    fail(core::ErrorCode::kUsage, path,
         "was begun with other settings: " + text +
             "; run with the same, give another output, or --overwrite to begin anew");
  }
  const auto compare = [&](const char* name, const std::string& meaning) {
    const std::string before = there.value(name, "");
    const std::string value = now.value(name, "");
    if (before == value) return;
    log_warning(path.string() + " was begun " + meaning + " " + before + ", not " + value +
                "; what has a record there is not captioned again");
  };
  compare("directory", "in the folder");
  compare("vulcap", "by version");
}

const std::filesystem::path& checked(const std::filesystem::path& path) {
  const auto status = std::filesystem::status(path);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    fail(core::ErrorCode::kUsage, path,
         "is no regular file; records go to a file, so that a job that was stopped can go on");
  }
  return path;
}

}  // namespace

RecordFile::RecordFile(std::filesystem::path path, OutputStart start)
    : path_(std::move(path)), start_(start), journal_(checked(path_), start == OutputStart::kOverwrite) {
  if (!journal_.lock_warning().empty()) log_warning(journal_.lock_warning());
}

void RecordFile::begin(RecordFormat format, const nlohmann::json& header,
                       const std::function<void(const RecordIdentity&)>& visit) {
  format_ = std::move(format);
  const nlohmann::json& there = journal_.content().header;
  if (!there.is_null()) check_header(path_, there, header);
  file_ = std::make_unique<AppendFile>(path_);
  if (start_ == OutputStart::kOverwrite) file_->truncate(0);
  if (there.is_null() && file_->size() > 0) {
    fail(core::ErrorCode::kUsage, path_,
         "is there already and has no journal (" + journal_path(path_).string() +
             "), so it cannot be gone on with; give another output, or --overwrite");
  }
  if (there.is_null()) journal_.write_header(header);
  if (start_ == OutputStart::kRetryFailed) drop_failed();
  read_records(visit);
  sync_folder_of(path_);
  if (file_->size() == 0 && !format_.head.empty()) file_->append(format_.head);
  journal_.start();
  commit_locked();
}

uint64_t RecordFile::scan(const std::function<void(const RecordIdentity&, std::string_view)>& visit) const {
  const uint64_t committed = journal_.content().committed.bytes;
  uint64_t number = 0;
  return scan_records(*file_, format_.end, [&](uint64_t offset, std::string_view text) {
    ++number;
    if (offset == 0 && !format_.head.empty() && std::string(text) + "\n" == format_.head) return true;
    try {
      visit(format_.identify(text), text);
    } catch (const std::exception&) {
      if (offset >= committed) return false;
      fail(core::ErrorCode::kRuntime, path_,
           "record " + std::to_string(number) + " (at byte " + std::to_string(offset) +
               ") is no record of vulcap batch; mend or remove it, or give another output");
    }
    return true;
  });
}

void RecordFile::read_records(const std::function<void(const RecordIdentity&)>& visit) {
  const uint64_t committed = journal_.content().committed.bytes;
  if (file_->size() < committed) {
    log_warning(path_.string() + " has " + std::to_string(file_->size()) + " bytes, " +
                std::to_string(committed - file_->size()) +
                " fewer than were written; what lacks a record is captioned again");
  }
  const uint64_t whole = scan([&](const RecordIdentity& record, std::string_view) {
    recorded_.insert(record.key);
    visit(record);
    ++count_.records;
    count_.failed += record.failed ? 1 : 0;
  });
  if (whole < file_->size()) file_->truncate(whole);
}

void RecordFile::drop_failed() {
  std::filesystem::path next = path_;
  next += ".retry";
  std::filesystem::remove(next);
  {
    AppendFile kept(next);
    if (!format_.head.empty()) kept.append(format_.head);
    scan([&](const RecordIdentity& record, std::string_view text) {
      if (!record.failed) kept.append(std::string(text) + "\n");
    });
    kept.sync();
  }
  journal_.commit({});  // what the journal said of the old file is no promise about the new one
  std::filesystem::rename(next, path_);
  file_ = std::make_unique<AppendFile>(path_);
}

Claim RecordFile::claim(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (recorded_.contains(key)) return Claim::kRecorded;
  return claimed_.insert(key) ? Claim::kNew : Claim::kTwice;
}

bool RecordFile::has_record(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return recorded_.contains(key);
}

void RecordFile::append(std::span<const OutputRecord> records) {
  std::string text;
  for (const OutputRecord& record : records) text += record.text;
  const std::lock_guard lock(mutex_);
  file_->append(text);
  for (const OutputRecord& record : records) {
    ++count_.records;
    count_.failed += record.failed ? 1 : 0;
  }
  if (Clock::now() - committed_at_ >= kCommitInterval) commit_locked();
}

void RecordFile::commit_locked() {
  file_->sync();
  count_.bytes = file_->size();
  journal_.commit(count_);
  committed_at_ = Clock::now();
}

void RecordFile::commit() {
  const std::lock_guard lock(mutex_);
  commit_locked();
}

void RecordFile::finish() {
  const std::lock_guard lock(mutex_);
  commit_locked();
  journal_.finish();
}

Commit RecordFile::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

}  // namespace vulcap::apps
