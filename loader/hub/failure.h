// Why a request to a hub failed and what to do about it, in one line.
#pragma once

#include <string>

#include "loader/hub/http.h"
#include "loader/hub/listing.h"

namespace vulcap::hub {

// Of a request that reads. `what`: "org/name" or one of its files. Throws core::Error: kInvalidModel when the
// hub has no such repository, revision or file, kRuntime for all else.
[[noreturn]] void fail_for(const Response& response, const Settings& settings, const Source& source,
                           const std::string& what);

// Of a request that writes; core::Error(kRuntime).
[[noreturn]] void fail_to_push(const Response& response, const Settings& settings, const Source& target,
                               const std::string& what);

}  // namespace vulcap::hub
