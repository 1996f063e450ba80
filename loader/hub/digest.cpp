#include "loader/hub/digest.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "loader/hub/names.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

constexpr size_t kChunk = size_t(1) << 20;

struct Release {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& reason) {
  throw core::Error(core::ErrorCode::kRuntime, path.string() + ": cannot be checked (" + reason + ")");
}

using Bytes = std::array<unsigned char, EVP_MAX_MD_SIZE>;

std::string hexadecimal(const Bytes& bytes, unsigned size) {
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", bytes[i]);
    text += digits;
  }
  return text;
}

// Of `prefix` and then the file's bytes, in hexadecimal.
std::string digest(const std::filesystem::path& path, const EVP_MD* kind, std::string_view prefix,
                   const OnBytes& on_bytes) {
  const std::unique_ptr<EVP_MD_CTX, Release> context(EVP_MD_CTX_new());
  const std::unique_ptr<std::FILE, Release> file(std::fopen(path.c_str(), "rbe"));
  if (!file) fail(path, std::strerror(errno));
  bool ok = context && EVP_DigestInit_ex(context.get(), kind, nullptr) &&
            EVP_DigestUpdate(context.get(), prefix.data(), prefix.size());
  std::vector<unsigned char> chunk(kChunk);
  while (const size_t count = std::fread(chunk.data(), 1, chunk.size(), file.get())) {
    ok = ok && EVP_DigestUpdate(context.get(), chunk.data(), count);
    if (on_bytes) on_bytes(count);
  }
  if (std::ferror(file.get())) fail(path, std::strerror(errno));
  Bytes bytes{};
  unsigned size = 0;
  if (!ok || !EVP_DigestFinal_ex(context.get(), bytes.data(), &size)) fail(path, "no such digest");
  return hexadecimal(bytes, size);
}

}  // namespace

bool matches_etag(const std::filesystem::path& file, const std::string& etag) {
  if (is_sha256(etag)) return file_sha256(file) == etag;
  return !is_sha1(etag) || git_blob_sha1(file) == etag;
}

std::string file_sha256(const std::filesystem::path& file, const OnBytes& on_bytes) {
  return digest(file, EVP_sha256(), "", on_bytes);
}

std::string git_blob_sha1(const std::filesystem::path& file) {
  std::string header = "blob " + std::to_string(std::filesystem::file_size(file));
  header += '\0';
  return digest(file, EVP_sha1(), header, {});
}

std::string sha256(std::string_view text) {
  Bytes bytes{};
  unsigned size = 0;
  if (!EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha256(), nullptr))
    throw core::Error(core::ErrorCode::kRuntime, "no SHA-256: OpenSSL does not offer it here");
  return hexadecimal(bytes, size);
}

}  // namespace vulcap::hub
