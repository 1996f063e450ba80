// Runs requests in child processes, so that a crash, a hang or a lack of memory costs one request its answer.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace vulcap::apps {

struct Answer {
  std::string line;     // what the worker wrote, without the newline
  std::string failure;  // why there is no line: "ended by SIGSEGV", "no answer within 30 s"
  double seconds = 0;
};

struct PoolOptions {
  std::string program = "/proc/self/exe";
  std::vector<std::string> arguments;
  int workers = 1;
  double time_limit = 30;       // seconds an answer may take
  int requests_a_worker = 400;  // then it is replaced, which bounds what it accumulates
};

// A worker reads a request a line from stdin and writes an answer a line to stdout, after one line that says
// that it is ready. A worker that dies is replaced. `on_answer` gets the index of the request, in the order
// of completion. Throws core::Error with the worker's exit code and message when one cannot start.
void run_requests(const std::vector<std::string>& requests, const PoolOptions& options,
                  const std::function<void(size_t, const Answer&)>& on_answer);

// For a worker: ends it when its parent ends, and limits its address space (0: no limit).
void settle_worker(double memory_gib);

}  // namespace vulcap::apps
