// How far long work is: a bar with rate and time left where stderr is a terminal, lines of JSON there with
// --progress json, else nothing. Safe for several threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace vulcap::apps {

enum class ProgressMode { kAuto, kNever, kJson };

// For the whole program, before any work starts. kAuto draws nothing under HF_HUB_DISABLE_PROGRESS_BARS.
void set_progress_mode(ProgressMode mode);
// Whether anybody sees it: what costs time and serves progress alone can be left out else.
bool progress_is_shown();

// "4.5 MB" of bytes, "12" of anything else.
std::string amount_text(double value, const std::string& unit);

// One piece of work. JSON lines: {"status": "initiate" | "progress" | "done", "task", "unit", "loaded",
// "failed", "elapsed", "rate"} and, where the total is known, "total", "progress" (percent) and
// "seconds_left"; times in seconds.
class Progress {
 public:
  // `task` stands before the bar; `unit` is what is counted, "bytes" is shown as kB, MB, ...; `total` 0: not
  // known.
  Progress(std::string task, std::string unit, uint64_t total);
  ~Progress();  // the bar disappears; JSON: "done", as far as it came
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void set_total(uint64_t total);
  // `count` more are done; `failed` of them without success.
  void advance(uint64_t count = 1, uint64_t failed = 0);
  // These were done before, as in a run that is taken up again: they count, but not in the rate.
  void skip(uint64_t count);

 private:
  using Clock = std::chrono::steady_clock;

  void show(bool now);
  void print_json(const char* status);
  double rate() const;  // a second; 0: not known yet
  std::string bar() const;

  std::mutex mutex_;
  std::string task_;
  std::string unit_;
  uint64_t total_;
  uint64_t done_ = 0;
  uint64_t skipped_ = 0;
  uint64_t failed_ = 0;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point shown_{};
};

}  // namespace vulcap::apps
