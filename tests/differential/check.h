// Runs a drawn case on a device and compares it with the references' answers; writes it for others to run.
#pragma once

#include <filesystem>
#include <string>

#include "tests/differential/draw.h"

namespace vulcap::test {

// Empty when the device agrees, else what is wrong and the graph.
std::string disagreement(const DrawnCase& drawn, session::Device& device, const std::string& device_name);

// A folder in the ONNX project's layout: model.onnx and test_data_set_0.
void write_case(const DrawnCase& drawn, const std::filesystem::path& folder);

}  // namespace vulcap::test
