// Digests: those that name a hub's files, and of text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace vulcap::hub {

// Whether the file's content is what `etag` says: its SHA-256 (64 hexadecimal digits, large files) or its
// SHA-1 as a git blob (40). True for an etag of another form, which says nothing of the content. Throws
// core::Error(kRuntime) when the file cannot be read.
bool matches_etag(const std::filesystem::path& file, const std::string& etag);

// Of a file's content, as they stand in an etag; `on_bytes` hears of what was read. Throw as matches_etag().
using OnBytes = std::function<void(uint64_t count)>;
std::string file_sha256(const std::filesystem::path& file, const OnBytes& on_bytes = {});
std::string git_blob_sha1(const std::filesystem::path& file);

// SHA-256 in 64 hexadecimal digits.
std::string sha256(std::string_view text);

}  // namespace vulcap::hub
