// Names of the operators that expansions and attention passes make; their attributes are described in
// operators/attention.cpp, operators/kv_cache.cpp and operators/rotary.cpp.
#pragma once

#include <string_view>

namespace vulcap::ops {

inline constexpr std::string_view kAttention = "Attention";
inline constexpr std::string_view kKvAppend = "KvAppend";
inline constexpr std::string_view kKvUpdate = "KvUpdate";
inline constexpr std::string_view kRotary = "Rotary";

}  // namespace vulcap::ops
