// Where the hub is, what it is told and where downloads are kept: the variables that Python's huggingface_hub
// reads, with the same meaning and defaults.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

namespace vulcap::hub {

struct Settings {
  std::string endpoint;         // HF_ENDPOINT, "https://host[:port][/path]" without a slash at the end
  std::filesystem::path cache;  // HF_HUB_CACHE: one folder a repository, shared with Python
  std::string token;            // HF_TOKEN, or the file that `login` wrote; empty: none
  bool offline = false;         // HF_HUB_OFFLINE
  std::string ca_file;          // certificates to trust instead of the system's; empty: the system's

  std::chrono::seconds connect_timeout{10};    // HF_HUB_ETAG_TIMEOUT
  std::chrono::seconds silence_timeout{10};    // HF_HUB_DOWNLOAD_TIMEOUT: without a byte
  std::chrono::seconds answer_timeout{120};    // without a byte, of requests that send something
  int tries = 5;                               // of a request that a passing condition stops
  std::chrono::milliseconds first_wait{1000};  // before the second try; doubled before each that follows
  int workers = 8;                             // files that are downloaded at a time
};

// The value of an environment variable; null where it is not set.
using Variables = std::function<const char*(const char* name)>;

// Throws core::Error(kUsage) for an endpoint that is no http(s) address and for a time-out that is no number.
Settings read_settings(const Variables& variables);
// From this process's environment.
Settings read_settings();

}  // namespace vulcap::hub
