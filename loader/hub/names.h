// Names that reach vulcap from a command line or from a hub, checked before they become paths or addresses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vulcap::hub {

// "org/model" or, of old repositories, "model".
bool is_repo_id(std::string_view text);

// A model of a hub as users write it: "org/model" or "org/model:q4".
struct ModelName {
  std::string repo;
  std::string dtype;  // in small letters; empty: not said
};
// None when `text` is no such name.
std::optional<ModelName> parse_model_name(std::string_view text);

// A branch, a tag, a commit or "refs/pr/1". Throws core::Error(kUsage).
void check_revision(const std::string& revision);

// Relative, every part a name, no control characters: stays in the folder that it is meant for.
bool is_file_name(std::string_view path);

// Throw core::Error(kRuntime) naming what a hub sent: a path that could leave the folder it is meant for; a
// blob's or a commit's name that is no plain file name.
void check_file_name(const std::string& name);
void check_blob_name(const std::string& name);

// 40 hexadecimal digits: a commit, or the etag of a file that git keeps.
bool is_sha1(std::string_view text);
// 64 hexadecimal digits: the etag of a large file.
bool is_sha256(std::string_view text);

// Percent-encoded for one segment of an address, or, with slashes kept, for several.
std::string url_segment(std::string_view text);
std::string url_path(std::string_view text);

// Text of a server made fit for a line of a terminal: printable ASCII, at most 200 characters.
std::string printable(std::string_view text);

}  // namespace vulcap::hub
