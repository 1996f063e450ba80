// Git LFS as a hub speaks it: what it lacks of large files, and where it wants them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loader/hub/listing.h"
#include "loader/hub/local_files.h"

namespace vulcap::hub {

struct LfsObject {
  LocalFile file;
  std::string oid;  // SHA-256 of its content
};

struct LfsAction {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
};

// What is to be sent for an object: the whole in one PUT to `upload`, or parts, each in a PUT to its own
// address, which a POST to `upload` then puts together.
struct LfsOrder {
  const LfsObject* object = nullptr;
  LfsAction upload;
  std::optional<LfsAction> verify;  // is told once the content is there
  uint64_t part_size = 0;           // bytes of each part but the last; 0: no parts
  std::vector<std::string> part_urls;
};

// Orders for those of `objects` that the hub lacks. The objects must outlive them. Throws
// core::Error(kRuntime) as fail_to_push(), also where the hub refuses one object or answers with nonsense.
std::vector<LfsOrder> ask_for_orders(HttpClient& client, const Settings& settings, const Source& target,
                                     const std::vector<LfsObject>& objects);

// Headers of the protocol's requests.
std::vector<std::string> lfs_headers();

}  // namespace vulcap::hub
