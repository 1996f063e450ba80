// The one exception type of vulcap. Thrown for what ends a load or a run; expected outcomes are plain values.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace vulcap::core {

// The value is the exit code of the program (documented in README.md).
enum class ErrorCode : int {
  kRuntime = 1,       // an input or a run failed
  kUsage = 2,         // bad flag or argument
  kInvalidModel = 3,  // model folder, graph, config or tokenizer is invalid or unsupported
  kNoDevice = 4,      // the requested device is absent, or a fallback was forbidden
  kPartial = 5,       // a batch is finished, some of its items failed
  kMismatch = 6,      // verification found a difference
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

  // Prepends "context: " on the way up, so the line reads from the outside in.
  Error& add_context(const std::string& context) {
    message_ = context + ": " + message_;
    return *this;
  }

 private:
  ErrorCode code_;
  std::string message_;
};

}  // namespace vulcap::core
