#include "apps/batch/journal.h"

#include <unistd.h>

#include <array>
#include <fstream>

#include "apps/batch/record_scan.h"
#include "apps/cli/log.h"
#include "apps/cli/remarks.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

constexpr const char* kMagic = "vulcap batch";
constexpr int kVersion = 1;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw core::Error(core::ErrorCode::kRuntime, path.string() + ": " + what);
}

bool is_header(const nlohmann::json& line) {
  return line.is_object() && line.value("journal", "") == kMagic && line.value("version", 0) == kVersion;
}

void take_line(const nlohmann::json& line, JournalContent& content) {
  if (content.header.is_null()) {
    content.header = line;
  } else if (line.contains("started")) {
    content.started = line;
    content.finished = false;
  } else if (line.contains("committed")) {
    content.committed = {line.value("committed", uint64_t(0)), line.value("records", uint64_t(0)),
                         line.value("failed", uint64_t(0))};
  } else if (line.contains("finished")) {
    content.finished = true;
  }
}

// Returns how much of `text` is whole lines.
size_t read_lines(const std::filesystem::path& path, std::string_view text, JournalContent& content) {
  size_t begin = 0;
  while (const size_t length = line_end(text.substr(begin))) {
    const auto line = nlohmann::json::parse(text.substr(begin, length), nullptr, false);
    if (content.header.is_null() ? !is_header(line) : !line.is_object())
      fail(path, "is no journal of vulcap batch, or is damaged; give another output, or --overwrite");
    take_line(line, content);
    begin += length;
  }
  return begin;
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (in.bad() || (!in && std::filesystem::exists(path))) fail(path, "cannot read the journal");
  return text;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "?";
}

// The process that began last, which holds the lock.
std::string holder(const std::filesystem::path& output) {
  const nlohmann::json started = read_journal(output).started;
  if (started.is_null()) return "";
  return ", process " + std::to_string(started.value("pid", 0)) + " on " + started.value("host", "?");
}

}  // namespace

std::filesystem::path journal_path(const std::filesystem::path& output) {
  return output.string() + ".journal";
}

JournalContent read_journal(const std::filesystem::path& output) {
  const std::filesystem::path path = journal_path(output);
  JournalContent content;
  read_lines(path, text_of(path), content);
  return content;
}

Journal::Journal(const std::filesystem::path& output, bool anew) : file_(journal_path(output)) {
  if (!file_.lock(lock_warning_)) {
    fail(output, "another process" + holder(output) +
                     " appends to this output; wait for it, or give this one another output");
  }
  const size_t whole = anew ? 0 : read_lines(file_.path(), text_of(file_.path()), content_);
  if (whole < file_.size()) file_.truncate(whole);
}

void Journal::add(const nlohmann::json& line) {
  file_.append(dumped(line) + "\n");
  file_.sync();
  take_line(line, content_);
}

void Journal::write_header(const nlohmann::json& header) {
  nlohmann::json line = header;
  line["journal"] = kMagic;
  line["version"] = kVersion;
  add(line);
  sync_folder_of(file_.path());
}

void Journal::start() { add({{"started", time_text()}, {"host", host_name()}, {"pid", ::getpid()}}); }

void Journal::commit(const Commit& commit) {
  add({{"committed", commit.bytes}, {"records", commit.records}, {"failed", commit.failed}});
}

void Journal::finish() {
  const Commit& all = content_.committed;
  add({{"finished", time_text()}, {"records", all.records}, {"failed", all.failed}});
}

}  // namespace vulcap::apps
