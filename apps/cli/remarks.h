// What the program says beside its results.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "loader/tasks/load_options.h"

namespace vulcap::apps {

// Says each warning, and each reason for which the device left kernels to the CPU, once, on stderr.
class Remarks {
 public:
  void warn(const std::vector<std::string>& warnings);
  void tell(const loader::Fallbacks& fallbacks);

 private:
  std::set<std::string> told_;
};

// Text of JSON whose strings may hold broken UTF-8, which is replaced.
std::string dumped(const nlohmann::json& json, int indent = -1);

}  // namespace vulcap::apps
