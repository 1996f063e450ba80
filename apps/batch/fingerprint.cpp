#include "apps/batch/fingerprint.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <span>

#include "runtime/core/hash.h"
#include "runtime/core/mapped_file.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPage = 4096;
constexpr size_t kPages = 64;

uint64_t add_bytes(uint64_t hash, std::span<const std::byte> bytes) { return core::hash_bytes(bytes, hash); }

uint64_t add_file(uint64_t hash, const fs::path& path, const std::string& name) {
  hash = add_bytes(hash, std::as_bytes(std::span(name)));
  const uint64_t size = fs::file_size(path);
  hash = add_bytes(hash, std::as_bytes(std::span(&size, 1)));
  if (size == 0) return hash;
  const auto file = core::MappedFile::open(path);
  const auto bytes = file->bytes();
  if (bytes.size() <= kPage * kPages) return add_bytes(hash, bytes);
  const size_t stride = (bytes.size() - kPage) / (kPages - 1);
  for (size_t page = 0; page < kPages; ++page) hash = add_bytes(hash, bytes.subspan(page * stride, kPage));
  return hash;
}

std::string digest_of(const fs::path& dir, const std::function<bool(const fs::path&)>& counts) {
  std::vector<fs::path> files;
  for (const auto& entry :
       fs::recursive_directory_iterator(dir, fs::directory_options::follow_directory_symlink)) {
    if (entry.is_regular_file() && counts(entry.path())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  uint64_t hash = core::hash_bytes({});
  for (const fs::path& path : files) hash = add_file(hash, path, path.lexically_relative(dir).string());
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", (unsigned long long)(hash));
  return text;
}

// Settings lie in the folder itself; weights in files beside a graph begin with its name.
bool is_setting(const fs::path& dir, const fs::path& path) {
  static const std::vector<std::string> kinds = {".json", ".txt", ".model", ".jinja"};
  return path.parent_path() == dir && std::find(kinds.begin(), kinds.end(), path.extension()) != kinds.end();
}

}  // namespace

std::string model_fingerprint(const fs::path& dir, const std::vector<std::string>& description) {
  const auto is_used = [&](const fs::path& path) {
    const std::string name = path.string();
    const std::string graph = name.substr(0, name.find(".onnx") + 5);
    return name.find(".onnx") != name.npos &&
           std::any_of(description.begin(), description.end(),
                       [&](const std::string& line) { return line.find(": " + graph + " (") != line.npos; });
  };
  return digest_of(dir, [&](const fs::path& path) { return is_setting(dir, path) || is_used(path); });
}

std::string folder_fingerprint(const fs::path& dir) {
  return digest_of(dir, [](const fs::path&) { return true; });
}

}  // namespace vulcap::apps
