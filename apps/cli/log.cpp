#include "apps/cli/log.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "apps/cli/console.h"
#include "apps/cli/remarks.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

struct Log {
  std::mutex mutex;
  LogLevel shown = LogLevel::kInfo;
  File file;
  File jsonl;
};

Log& log() {
  static Log instance;
  return instance;
}

File open_for_append(const std::string& path, const char* flag) {
  if (path.empty()) return nullptr;
  File file(std::fopen(path.c_str(), "ae"));
  if (!file) {
    throw core::Error(
        core::ErrorCode::kRuntime,
        std::string(flag) + ": " + path + " cannot be opened for writing: " + std::strerror(errno));
  }
  return file;
}

const char* name_of(LogLevel level) {
  constexpr const char* kNames[] = {"error", "warning", "info", "detail"};
  return kNames[size_t(level)];
}

std::string on_terminal(LogLevel level, const std::string& message) {
  if (level == LogLevel::kDetail) return printable(message);
  if (level == LogLevel::kInfo) return "vulcap: " + printable(message);
  const std::string name = std::string(name_of(level)) + ":";
  const char* color = level == LogLevel::kError ? "\x1b[1;31m" : "\x1b[1;33m";
  return "vulcap: " + (console().color() ? color + name + "\x1b[0m" : name) + " " + printable(message);
}

// A log that cannot be written must not end the work; it is said once.
void append(File& file, const std::string& line) {
  if (!file) return;
  if (std::fprintf(file.get(), "%s\n", line.c_str()) >= 0 && std::fflush(file.get()) == 0) return;
  console().remark(on_terminal(LogLevel::kWarning,
                               std::string("the log file takes no more lines: ") + std::strerror(errno)));
  file.reset();
}

void write(LogLevel level, const std::string& message) {
  if (level <= log().shown) console().remark(on_terminal(level, message));
  const std::lock_guard lock(log().mutex);
  if (log().file) append(log().file, time_text() + " " + name_of(level) + " " + printable(message));
  if (log().jsonl) {
    append(log().jsonl, dumped({{"time", time_text()}, {"level", name_of(level)}, {"message", message}}));
  }
}

}  // namespace

void open_log(const LogSettings& settings) {
  File file = open_for_append(settings.file, "--log-file");
  File jsonl = open_for_append(settings.jsonl, "--log-jsonl");
  const std::lock_guard lock(log().mutex);
  log().shown = settings.shown;
  log().file = std::move(file);
  log().jsonl = std::move(jsonl);
}

bool log_shows(LogLevel level) { return level <= log().shown; }

void log_error(const std::string& message) { write(LogLevel::kError, message); }
void log_warning(const std::string& message) { write(LogLevel::kWarning, message); }
void log_info(const std::string& message) { write(LogLevel::kInfo, message); }
void log_detail(const std::string& message) { write(LogLevel::kDetail, message); }

std::string time_text() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = std::time_t(ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char text[48];
  std::snprintf(text, sizeof text, "%s.%03dZ", date, int(ms % 1000));
  return text;
}

}  // namespace vulcap::apps
