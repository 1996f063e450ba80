// vulcap doctor: everything that decides where kernels run, in one object, as text or as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/cli/device_options.h"
#include "apps/diagnosis/findings.h"

namespace vulcap::apps {

struct Diagnosis {
  Case facts;
  std::vector<Finding> findings;
  std::string runs_on;  // name of the device; empty: nothing can run as asked
  std::string reason;   // why there, or why nowhere
  int exit_code = 0;    // 4 when nothing can run as asked
};

// Asks every driver, alone and together, and opens the device as any other command would.
Diagnosis examine(const DeviceOptions& options);

std::string diagnosis_text(const Diagnosis& diagnosis);
nlohmann::json diagnosis_json(const Diagnosis& diagnosis);

}  // namespace vulcap::apps
