#include "apps/cli/progress.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "apps/cli/console.h"
#include "apps/cli/remarks.h"

namespace vulcap::apps {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kReport = std::chrono::milliseconds(500);  // between lines of JSON

ProgressMode mode = ProgressMode::kAuto;

// As huggingface_hub reads the variable.
bool bars_are_disabled() {
  const char* value = std::getenv("HF_HUB_DISABLE_PROGRESS_BARS");
  if (value == nullptr) return false;
  std::string upper(value);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  }
  return upper == "1" || upper == "ON" || upper == "YES" || upper == "TRUE";
}

bool draws() { return mode == ProgressMode::kAuto && console().draws() && !bars_are_disabled(); }

std::string clock_text(double seconds) {
  const int64_t s = int64_t(seconds + 0.5);
  char text[48];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02d:%02d", static_cast<long long>(s / 3600), int(s / 60 % 60),
                  int(s % 60));
  } else {
    std::snprintf(text, sizeof text, "%02d:%02d", int(s / 60), int(s % 60));
  }
  return text;
}

}  // namespace

std::string amount_text(double value, const std::string& unit) {
  char text[48];
  if (unit != "bytes") {
    std::snprintf(text, sizeof text, value < 10 && value != double(int64_t(value)) ? "%.2f" : "%.0f", value);
    return text;
  }
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  size_t power = 0;
  for (; value >= 1000 && power < 4; ++power) value /= 1000;
  std::snprintf(text, sizeof text, power == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[power]);
  return text;
}

void set_progress_mode(ProgressMode chosen) { mode = chosen; }

bool progress_is_shown() { return mode == ProgressMode::kJson || draws(); }

Progress::Progress(std::string task, std::string unit, uint64_t total)
    : task_(std::move(task)), unit_(std::move(unit)), total_(total) {
  const std::lock_guard lock(mutex_);
  if (mode == ProgressMode::kJson) print_json("initiate");
  show(true);
}

Progress::~Progress() {
  const std::lock_guard lock(mutex_);
  if (mode == ProgressMode::kJson) print_json("done");
  if (draws()) console().status("");
}

void Progress::set_total(uint64_t total) {
  const std::lock_guard lock(mutex_);
  total_ = total;
  show(false);
}

void Progress::advance(uint64_t count, uint64_t failed) {
  const std::lock_guard lock(mutex_);
  done_ += count;
  failed_ += failed;
  show(total_ != 0 && done_ == total_);
}

void Progress::skip(uint64_t count) {
  const std::lock_guard lock(mutex_);
  done_ += count;
  skipped_ += count;
  show(true);
}

void Progress::show(bool now) {
  const auto time = Clock::now();
  const auto pause = mode == ProgressMode::kJson ? kReport : kRedraw;
  if (!now && time - shown_ < pause) return;
  shown_ = time;
  if (mode == ProgressMode::kJson && done_ > 0) print_json("progress");
  if (draws()) console().status(bar());
}

double Progress::rate() const {
  const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  return seconds > 0 ? double(done_ - skipped_) / seconds : 0;
}

void Progress::print_json(const char* status) {
  const double speed = rate();
  nlohmann::json line{
      {"status", status},  {"task", task_},
      {"unit", unit_},     {"loaded", done_},
      {"failed", failed_}, {"elapsed", std::chrono::duration<double>(Clock::now() - begin_).count()},
      {"rate", speed}};
  if (total_ > 0) {
    line["total"] = total_;
    line["progress"] = 100.0 * double(std::min(done_, total_)) / double(total_);
    if (speed > 0) line["seconds_left"] = double(total_ - std::min(done_, total_)) / speed;
  }
  console().remark(dumped(line));
}

std::string Progress::bar() const {
  const double speed = rate();
  std::string right = amount_text(double(done_), unit_);
  if (total_ > 0) right += "/" + amount_text(double(total_), unit_);
  if (unit_ != "bytes") right += " " + unit_;
  if (failed_ > 0) right += ", " + std::to_string(failed_) + " failed";
  if (speed > 0) right += ", " + amount_text(speed, unit_) + "/s";
  if (speed > 0 && total_ > done_) right += ", " + clock_text(double(total_ - done_) / speed) + " left";
  std::string left = task_ + " ";
  const int room = console().width() - 1 - int(left.size() + right.size()) - 8;
  if (total_ > 0 && room >= 10) {
    const double part = double(std::min(done_, total_)) / double(total_);
    const int cells = std::min(room, 40);
    const int full = int(part * cells);
    char percent[16];
    std::snprintf(percent, sizeof percent, "%3d%% ", int(part * 100));
    left += percent;
    left += "[" + std::string(size_t(full), '#') + std::string(size_t(cells - full), '.') + "] ";
  }
  return (left + right).substr(0, size_t(std::max(1, console().width() - 1)));
}

}  // namespace vulcap::apps
