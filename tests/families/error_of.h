// What a call throws.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "runtime/core/error.h"

namespace vulcap::test {

template <typename Action>
core::Error error_of(const Action& action) {
  try {
    action();
  } catch (const core::Error& error) {
    return error;
  }
  return core::Error(core::ErrorCode::kRuntime, "nothing was thrown");
}

// `action` throws this code, in one line that holds `part`.
inline void expect_error(core::ErrorCode code, const std::string& part, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error, expected: " << part;
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), code) << error.message();
    EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
    EXPECT_EQ(error.message().find('\n'), std::string::npos) << error.message();
  }
}

}  // namespace vulcap::test
