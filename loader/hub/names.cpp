#include "loader/hub/names.h"

#include <algorithm>
#include <cctype>

#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) && (c & 0x80) == 0; }

bool is_id_part(std::string_view part) {
  const auto fits = [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; };
  const auto ends = [](char c) { return is_alnum(c) || c == '_'; };
  return !part.empty() && part.size() <= 96 && std::all_of(part.begin(), part.end(), fits) &&
         ends(part.front()) && ends(part.back());
}

bool is_hex(std::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string result;
  for (const unsigned char c : text) {
    const bool plain = is_alnum(char(c)) || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain || (c == '/' && keep_slashes)) {
      result += char(c);
    } else {
      result += {'%', kDigits[c >> 4], kDigits[c & 15]};
    }
  }
  return result;
}

}  // namespace

bool is_repo_id(std::string_view text) {
  const size_t slash = text.find('/');
  const bool parts = slash == text.npos
                         ? is_id_part(text)
                         : is_id_part(text.substr(0, slash)) && is_id_part(text.substr(slash + 1));
  return parts && text.find("--") == text.npos && text.find("..") == text.npos && !text.ends_with(".git");
}

std::optional<ModelName> parse_model_name(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view repo = text.substr(0, colon);
  if (!is_repo_id(repo)) return std::nullopt;
  ModelName name{std::string(repo), ""};
  if (colon == text.npos) return name;
  name.dtype = text.substr(colon + 1);
  std::transform(name.dtype.begin(), name.dtype.end(), name.dtype.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return name.dtype.empty() ? std::nullopt : std::optional(name);
}

bool is_file_name(std::string_view path) {
  if (path.empty() || path.size() > 1024 || has_control(path) || path.find('\\') != path.npos) return false;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    begin = end + 1;
  }
  return true;
}

void check_revision(const std::string& revision) {
  if (!is_file_name(revision)) {
    throw core::Error(core::ErrorCode::kUsage,
                      "--revision takes a branch, a tag or a commit, not '" + printable(revision) + "'");
  }
}

void check_file_name(const std::string& name) {
  if (!is_file_name(name)) {
    throw core::Error(core::ErrorCode::kRuntime, "the hub lists a file '" + printable(name) +
                                                     "', whose path could leave its folder; refused");
  }
}

void check_blob_name(const std::string& name) {
  const auto fits = [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; };
  if (name.empty() || name.size() > 200 || name.front() == '.' ||
      !std::all_of(name.begin(), name.end(), fits))
    throw core::Error(core::ErrorCode::kRuntime,
                      "the hub names content '" + printable(name) + "', which is no digest; refused");
}

bool is_sha1(std::string_view text) { return is_hex(text, 40); }
bool is_sha256(std::string_view text) { return is_hex(text, 64); }

std::string url_segment(std::string_view text) { return percent_encoded(text, false); }
std::string url_path(std::string_view text) { return percent_encoded(text, true); }

std::string printable(std::string_view text) {
  std::string result(text.substr(0, 200));
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return result;
}

}  // namespace vulcap::hub
