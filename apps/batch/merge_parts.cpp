#include "apps/batch/merge_parts.h"

#include <algorithm>
#include <filesystem>

#include "apps/batch/job_header.h"
#include "apps/cli/log.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

[[noreturn]] void fail(core::ErrorCode code, const std::string& path, const std::string& what) {
  throw core::Error(code, path + ": " + what);
}

std::shared_ptr<const core::MappedFile> open_file(const std::string& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) fail(core::ErrorCode::kRuntime, path, "cannot read: " + error.message());
  if (size == 0) return nullptr;
  try {
    return core::MappedFile::open(path);
  } catch (const core::Error& failure) {
    throw core::Error(core::ErrorCode::kRuntime, failure.message());
  }
}

}  // namespace

std::string_view Part::text() const {
  if (!file) return {};
  return {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()};
}

Part open_part(const std::string& path) {
  Part part{.path = path, .journal = read_journal(path), .shard = {}, .file = {}};
  if (part.journal.header.is_null()) {
    fail(core::ErrorCode::kUsage, path,
         "there is no journal beside it (" + journal_path(path).string() +
             "), so it is no output of vulcap batch, or not with all that belongs to it");
  }
  part.shard = parse_shard(part.journal.header.value("shard", ""), journal_path(path).string() + ": shard");
  part.file = open_file(path);
  return part;
}

MergedParts::MergedParts(std::vector<Part> parts) : parts_(std::move(parts)) {
  check_headers();
  format_ = record_format(header().value("format", ""), header().value("captions", int64_t(1)));
  for (uint32_t part = 0; part < parts_.size(); ++part) read_records(part);
  std::stable_sort(records_.begin(), records_.end(),
                   [](const RecordPlace& a, const RecordPlace& b) { return a.key < b.key; });
  keep_one_an_image();
}

void MergedParts::check_headers() const {
  const Part& first = parts_.front();
  for (size_t i = 1; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    const auto refuse = [&](const std::string& what) {
      fail(core::ErrorCode::kMismatch, part.path, "does not belong to " + first.path + ": " + what);
    };
    const std::string different = header_differences(first.journal.header, part.journal.header, {"format"});
    if (!different.empty()) refuse(different);
    if (part.shard.count != first.shard.count)
      refuse("it is part " + part.shard.text() + ", not one of " + std::to_string(first.shard.count));
    for (size_t j = 0; j < i && part.shard.count > 1; ++j) {
      if (parts_[j].shard == part.shard) refuse(parts_[j].path + " is part " + part.shard.text() + " too");
    }
    if (part.journal.header.value("directory", "") != header().value("directory", ""))
      log_warning(part.path + " was made in another folder than " + first.path +
                  "; names of images may mean different files");
  }
}

void MergedParts::read_records(uint32_t index) {
  Part& part = parts_[index];
  std::string_view rest = part.text();
  const uint64_t size = rest.size();
  while (const size_t length = format_.end(rest)) {
    const uint64_t offset = size - rest.size();
    const std::string_view record = rest.substr(0, length - 1);
    rest.remove_prefix(length);
    if (offset == 0 && !format_.head.empty() && std::string(record) + "\n" == format_.head) continue;
    RecordIdentity identity = identified(part, record, offset);
    if (!part.shard.contains(identity.key))
      fail(core::ErrorCode::kMismatch, part.path,
           "the record of " + identity.key + " does not belong to part " + part.shard.text());
    records_.push_back({std::move(identity.key), offset, uint32_t(record.size()), index, identity.failed});
    ++part.records;
  }
  // A torn end is of a process that was ended.
  if (!rest.empty()) part.journal.finished = false;
}

RecordIdentity MergedParts::identified(const Part& part, std::string_view record, uint64_t offset) const {
  try {
    return format_.identify(record);
  } catch (const std::exception&) {
    fail(core::ErrorCode::kRuntime, part.path,
         "what stands at byte " + std::to_string(offset) + " is no record of vulcap batch");
  }
}

bool MergedParts::better(const RecordPlace& a, const RecordPlace& b) const {
  if (a.failed != b.failed) return b.failed;
  if (!a.failed && format_.outcome(text_of(a)) != format_.outcome(text_of(b))) {
    fail(core::ErrorCode::kMismatch, a.key,
         "has different captions in " + parts_[a.part].path + " and " + parts_[b.part].path);
  }
  return false;
}

void MergedParts::keep_one_an_image() {
  std::vector<RecordPlace> kept;
  for (RecordPlace& place : records_) {
    if (kept.empty() || kept.back().key != place.key) {
      kept.push_back(std::move(place));
      continue;
    }
    ++doubled_;
    if (better(place, kept.back())) kept.back() = std::move(place);
  }
  records_ = std::move(kept);
}

std::string_view MergedParts::text_of(const RecordPlace& place) const {
  return parts_[place.part].text().substr(place.offset, place.length);
}

std::optional<size_t> MergedParts::find(const std::string& key) const {
  const auto place = std::lower_bound(records_.begin(), records_.end(), key,
                                      [](const RecordPlace& a, const std::string& b) { return a.key < b; });
  if (place == records_.end() || place->key != key) return std::nullopt;
  return size_t(place - records_.begin());
}

std::vector<std::string> MergedParts::gaps() const {
  std::vector<std::string> lines;
  const uint32_t count = parts_.front().shard.count;
  std::vector<bool> there(count);
  for (const Part& part : parts_) there[part.shard.index] = true;
  for (uint32_t i = 0; i < count; ++i) {
    if (!there[i]) lines.push_back("part " + Shard{i, count}.text() + " is not among the files");
  }
  for (const Part& part : parts_) {
    if (part.journal.finished) continue;
    lines.push_back(part.path + ": part " + part.shard.text() + " is not finished, it has " +
                    std::to_string(part.records) + " records so far; run its command again");
  }
  return lines;
}

}  // namespace vulcap::apps
