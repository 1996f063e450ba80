// Rows and builders of kernel families that have a file of their own. A builder says whether it knows the
// kernel.
#pragma once

#include <span>
#include <string>

#include "tests/kernels/builder.h"
#include "tests/kernels/row.h"

namespace vulcap::testing {

std::span<const char* const> movement_rows();
bool build_image_case(const std::string& kernel, Row& row, Builder& builder);
bool build_movement_case(const std::string& kernel, Row& row, Builder& builder);

std::span<const char* const> quantised_rows();
bool build_quantised_case(const std::string& kernel, Row& row, Builder& builder);

}  // namespace vulcap::testing
