// What a call throws.
#pragma once

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

}  // namespace vulcap::test
