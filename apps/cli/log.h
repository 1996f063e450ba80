// What the program says beside its results: on stderr as far as --quiet and --verbose allow, and whole in the
// files of --log-file and --log-jsonl. Safe for several threads.
#pragma once

#include <string>

namespace vulcap::apps {

enum class LogLevel { kError, kWarning, kInfo, kDetail };

struct LogSettings {
  LogLevel shown = LogLevel::kInfo;  // the last level that stderr shows
  std::string file;                  // "TIME level message" lines are appended; empty: none
  std::string jsonl;                 // {"time", "level", "message"} lines are appended; empty: none
};

// Throws core::Error(kRuntime) when a file cannot be opened.
void open_log(const LogSettings& settings);
// Whether stderr shows messages of this level.
bool log_shows(LogLevel level);

// One line each, without its end; stderr has "vulcap: error: " before errors, "vulcap: warning: " before
// warnings, "vulcap: " before infos and nothing before details.
void log_error(const std::string& message);
void log_warning(const std::string& message);
void log_info(const std::string& message);
void log_detail(const std::string& message);

// Now, "2026-01-31T12:00:00.123Z".
std::string time_text();

}  // namespace vulcap::apps
