// Finds where numbers go wrong: a plan run call by call, each followed by a look at what it wrote.
#pragma once

#include <memory>

#include "runtime/plan/plan.h"

namespace vulcap::session {

// run() throws Error(kRuntime) at the first value that holds an Inf or NaN that no operand of its kernel call
// holds, naming the value, its node and the kernel. `plan` must outlive the result.
std::unique_ptr<plan::Executable> build_checked(plan::Backend& backend, plan::BuildRequest request,
                                                const plan::Plan& plan);

}  // namespace vulcap::session
