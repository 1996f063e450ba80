// Names of the operators that the attention passes make; their attributes are described in
// operators/attention.cpp.
#pragma once

#include <string_view>

namespace vulcap::ops {

inline constexpr std::string_view kAttention = "Attention";
inline constexpr std::string_view kKvAppend = "KvAppend";

}  // namespace vulcap::ops
