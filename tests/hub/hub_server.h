// A hub of models on 127.0.0.1: the paths, headers and redirects of the real one, and faults on demand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace vulcap::testing {

// Drawn bytes, the same for the same seed.
std::string bytes_of(size_t count, unsigned seed);

// What goes wrong with the answers to come for one file, for the listing (under the name "") or for a step of
// an upload ("create", "branch", "preupload", "batch", "part", "complete", "verify", "commit").
struct Fault {
  int times = 1;
  int status = 0;                  // answer with this one; 0: the usual one
  std::string error_code = {};     // X-Error-Code
  std::string error_message = {};  // X-Error-Message
  std::string retry_after = {};    // Retry-After
  int64_t cut_after = -1;          // bytes, then the connection ends; -1: never
  bool ignore_range = false;       // send everything, with 200
  bool wrong_range = false;        // send from the beginning, with 206 and a Content-Range of that
  bool corrupt = false;            // send other bytes
  int64_t surplus = 0;             // bytes too many
  int wait_ms = 0;                 // before the answer
  std::string redirect = {};       // send there instead, with 302
};

struct SeenRequest {
  std::string method, path, authorization, range;
  bool on_store = false;  // it went to the host of the large files
};

// Small files come from the hub itself with their git digest; large ones by a redirect to a second host,
// which must never see the token.
class HubServer {
 public:
  HubServer();
  ~HubServer();
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;

  std::string endpoint() const;

  void add(const std::string& name, const std::string& content, bool large = false);
  // The files of a folder; the .onnx files are large.
  void add_folder(const std::filesystem::path& folder);
  void fail(const std::string& file, const Fault& fault);
  // No fault is left.
  void forgive();

  std::vector<SeenRequest> seen() const;
  // What was pushed; the files of a commit to "main" are served from then on.
  struct Commit {
    std::string repo, branch, summary, description;
    std::map<std::string, std::string> files;  // name -> content
    bool pull_request = false;
  };
  std::vector<Commit> commits() const;
  // Of requests for the file's content, here and on the store.
  size_t times_sent(const std::string& file) const;

  std::string repo = "org/model";
  std::string commit = std::string(40, 'c');
  std::map<std::string, std::string> revisions = {{"main", commit}};
  std::string old_repo = {};         // redirects to `repo`
  std::string token = {};            // that is needed; empty: none
  std::string reader = {};           // a token that is known but may not write; empty: none
  uint64_t part_size = 0;            // large files are taken in parts of so many bytes; 0: in one
  int signature = 1;                 // of the addresses of uploads; with another, they are refused
  bool needs_upload_headers = true;  // takes large files with the headers that it asked for alone
  bool plain_listing = false;        // the listing says neither sizes nor digests
  std::string extra_listing = {};    // a name that is listed but is no file

 private:
  struct Hosts;
  std::unique_ptr<Hosts> hosts_;
};

// Digests as the hub states them.
std::string sha256_of(const std::string& content);
std::string git_sha1_of(const std::string& content);

}  // namespace vulcap::testing
