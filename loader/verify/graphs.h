// Single graphs against test_data_set_* folders. Internal to loader/verify.
#pragma once

#include "loader/verify/verify.h"

namespace vulcap::loader {

// Returns how many graphs have expected answers.
int verify_graphs(const std::filesystem::path& dir, session::Device& device, const VerifyOptions& options,
                  const OnRow& on_row);

}  // namespace vulcap::loader
