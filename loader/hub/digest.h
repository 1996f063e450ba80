// Digests that name a hub's files.
#pragma once

#include <filesystem>
#include <string>

namespace vulcap::hub {

// Whether the file's content is what `etag` says: its SHA-256 (64 hexadecimal digits, large files) or its
// SHA-1 as a git blob (40). True for an etag of another form, which says nothing of the content. Throws
// core::Error(kRuntime) when the file cannot be read.
bool matches_etag(const std::filesystem::path& file, const std::string& etag);

}  // namespace vulcap::hub
