// The content of large files, to where the hub wants it.
#pragma once

#include <filesystem>

#include "loader/hub/byte_count.h"
#include "loader/hub/lfs.h"

namespace vulcap::hub {

struct UploadEvents {
  // `total` bytes are to be sent, `there` of them were sent by an earlier try.
  std::function<void(uint64_t total, uint64_t there)> on_plan;
  std::function<void(uint64_t bytes)> on_bytes;  // sent; from any thread, one at a time
};

// Sends what the hub lacks of `objects`, several files or parts at a time, and returns the bytes that it
// lacked. An upload in parts that was interrupted goes on where it stopped; what is needed for that is kept
// in `notes` (empty: nowhere). Throws core::Error(kRuntime), see fail_to_push().
uint64_t upload_objects(HttpClient& client, const Settings& settings, const Source& target,
                        const std::vector<LfsObject>& objects, const std::filesystem::path& notes,
                        const UploadEvents& events);

}  // namespace vulcap::hub
