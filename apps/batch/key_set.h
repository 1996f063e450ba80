// A set of texts that takes the same little memory for each, whatever its length: what a job remembers of
// millions of images.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_set>

#include "runtime/core/hash.h"

namespace vulcap::apps {

// Holds 128 bits of each: two hashes that agree by chance less often than disks err.
class KeySet {
 public:
  // False: it is there already.
  bool insert(std::string_view key) { return digests_.insert(digest(key)).second; }
  bool contains(std::string_view key) const { return digests_.contains(digest(key)); }

 private:
  struct Digest {
    uint64_t low;
    uint64_t high;
    bool operator==(const Digest&) const = default;
  };
  struct Low {
    size_t operator()(const Digest& digest) const { return size_t(digest.low); }
  };

  static Digest digest(std::string_view key) {
    constexpr uint64_t kOtherSeed = 0x9e3779b97f4a7c15u;
    const auto bytes = std::as_bytes(std::span(key));
    return {core::hash_bytes(bytes), core::hash_bytes(bytes, kOtherSeed)};
  }

  std::unordered_set<Digest, Low> digests_;
};

}  // namespace vulcap::apps
