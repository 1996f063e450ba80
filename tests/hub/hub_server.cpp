#include "tests/hub/hub_server.h"

#include <openssl/sha.h>

#include <fstream>
#include <iterator>

#include "tests/hub/hub_hosts.h"

namespace vulcap::testing {
namespace {

namespace fs = std::filesystem;

std::string hex(const unsigned char* bytes, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", bytes[i]);
    text += digits;
  }
  return text;
}

}  // namespace

std::string bytes_of(size_t count, unsigned seed) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = char((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

std::string sha256_of(const std::string& content) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest);
  return hex(digest, sizeof digest);
}

std::string git_sha1_of(const std::string& content) {
  std::string blob = "blob " + std::to_string(content.size());
  blob += '\0';
  blob += content;
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(blob.data()), blob.size(), digest);
  return hex(digest, sizeof digest);
}

HubServer::HubServer() : hosts_(std::make_unique<Hosts>(*this)) {}
HubServer::~HubServer() = default;

std::string HubServer::endpoint() const { return "http://127.0.0.1:" + std::to_string(hosts_->hub_port); }

void HubServer::add(const std::string& name, const std::string& content, bool large) {
  hosts_->files[name] = {content, large};
}

void HubServer::add_folder(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    add(entry.path().lexically_relative(folder).generic_string(),
        std::string(std::istreambuf_iterator<char>(in), {}), entry.path().extension() == ".onnx");
  }
}

void HubServer::fail(const std::string& file, const Fault& fault) {
  const std::lock_guard guard(hosts_->mutex);
  hosts_->pending[file].push_back(fault);
}

void HubServer::forgive() {
  const std::lock_guard guard(hosts_->mutex);
  hosts_->pending.clear();
}

std::vector<SeenRequest> HubServer::seen() const {
  const std::lock_guard guard(hosts_->mutex);
  return hosts_->seen;
}

std::vector<HubServer::Commit> HubServer::commits() const {
  const std::lock_guard guard(hosts_->mutex);
  return hosts_->commits;
}

size_t HubServer::times_sent(const std::string& file) const {
  size_t count = 0;
  const bool large = hosts_->files.at(file).large;
  for (const SeenRequest& request : seen())
    count += request.method == "GET" && request.on_store == large && request.path.ends_with("/" + file);
  return count;
}

}  // namespace vulcap::testing
