// Runs tests in the layout of the ONNX project: a folder with model.onnx and
// test_data_set_*/{input,output}_K.pb, which belong to the graph's inputs and outputs by position.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/session/program.h"

namespace vulcap::loader {

// got is equal to want when |got - want| <= atol + rtol * |want|; integers and booleans must be identical.
struct Tolerance {
  double rtol = 1e-3;
  double atol = 1e-5;
};

struct ConformanceResult {
  enum class Status { kPassed, kFailed, kSkipped };

  Status status = Status::kFailed;
  std::string reason;                   // first difference or error, in one line; why it is out of scope
  std::vector<std::string> host_calls;  // "kernel: reason" of each distinct call that the device refused

  bool native() const { return status == Status::kPassed && host_calls.empty(); }
};

// Folders at or below `root` that hold a model.onnx and a test data set, sorted.
std::vector<std::filesystem::path> find_conformance_tests(const std::filesystem::path& root);

// Runs one of them. Whatever is wrong with the test or the run is a failure with its reason, never an
// exception of type core::Error. Outputs of random operators are compared by dtype and shape alone.
ConformanceResult run_conformance_test(const std::filesystem::path& test, session::Device& device,
                                       const Tolerance& tolerance);

}  // namespace vulcap::loader
