// What `vulcap quantize` says of a quantisation at its end.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "loader/conversion/quantization/report.h"
#include "loader/conversion/quantization/search.h"

namespace vulcap::apps {

// On stdout.
void print_report(const quantization::Report& report);
// One line: a mix of formats, its size and what it changes.
void print_trial(const quantization::Trial& trial);

// Sizes in bytes, times in milliseconds.
nlohmann::json report_json(const quantization::Report& report);

}  // namespace vulcap::apps
