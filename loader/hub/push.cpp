#include "loader/hub/push.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "loader/base64.h"
#include "loader/hub/answers.h"
#include "loader/hub/digest.h"
#include "loader/hub/failure.h"
#include "loader/hub/names.h"
#include "loader/hub/upload.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

namespace fs = std::filesystem;
using core::ErrorCode;
using nlohmann::json;

constexpr size_t kFilesARequest = 256;
constexpr uint64_t kSampleBytes = 512;
constexpr uint64_t kMaxInline = uint64_t(256) << 20;  // bytes that a commit itself may carry

[[noreturn]] void fail(ErrorCode code, const std::string& message) { throw core::Error(code, message); }

void check_request(const Settings& settings, const PushRequest& request) {
  const std::string& repo = request.target.repo;
  if (!is_repo_id(repo) || repo.find('/') == repo.npos)
    fail(ErrorCode::kUsage, "'" + printable(repo) + "' is no repository; write org/name");
  check_revision(request.target.revision);
  if (settings.offline)
    fail(ErrorCode::kRuntime, repo + " is not pushed: offline is set (HF_HUB_OFFLINE or --offline)");
  if (settings.token.empty()) {
    fail(ErrorCode::kUsage, repo + " is not pushed: there is no token; make one with write access on " +
                                settings.endpoint + " and give it as HF_TOKEN or --hf-token");
  }
}

// What is to become of a file.
struct Planned {
  LocalFile file;
  bool large = false;  // its content goes through LFS
  std::string remote;  // digest of what the branch has under its name; "": nothing
  std::string digest;
};

class Push {
 public:
  Push(const Settings& settings, const PushRequest& request, const PushEvents& events)
      : settings_(settings),
        request_(request),
        events_(events),
        client_(settings),
        hashed_(events.on_bytes) {}

  PushResult run() {
    const std::vector<LocalFile> files = list_local_files(request_.folder, request_.files);
    check_weights(files);
    make_repository();
    make_branch();
    for (size_t i = 0; i < files.size(); i += kFilesARequest)
      plan(files.data() + i, files.data() + std::min(files.size(), i + kFilesARequest));
    add_digests();
    drop_unchanged();
    if (planned_.empty()) return nothing_to_do();
    send_large_files();
    return commit();
  }

 private:
  std::string api(const std::string& rest) const {
    return settings_.endpoint + "/api/models/" + url_path(request_.target.repo) + "/" + rest;
  }
  std::string on_branch(const std::string& call) const {
    return api(call + "/" + url_segment(request_.target.revision) +
               (request_.pull_request ? "?create_pr=1" : ""));
  }
  void remark(const std::string& line) const {
    if (events_.on_remark) events_.on_remark(line);
  }
  [[noreturn]] void fail_for_repo(const Response& response) const {
    fail_to_push(response, settings_, request_.target, request_.target.repo);
  }

  void make_repository() {
    const std::string& repo = request_.target.repo;
    const size_t slash = repo.find('/');
    json wanted{{"organization", repo.substr(0, slash)}, {"name", repo.substr(slash + 1)}, {"type", "model"}};
    if (request_.is_private) wanted["private"] = true;
    const Response response =
        client_.send_patiently(post_request(settings_.endpoint + "/api/repos/create", wanted.dump()));
    if (response.ok()) {
      return remark(repo + ": made on " + settings_.endpoint + (request_.is_private ? ", private" : ""));
    }
    const bool under_way = response.error_text.find("in progress") != std::string::npos;
    const bool exists = response.status == 409 && !under_way;
    // Who may not make repositories there may still be allowed to change this one.
    if (!exists && !(response.status == 403 && is_there())) fail_for_repo(response);
    if (request_.is_private) remark(repo + " exists already; who may see it stays as it is");
  }

  bool is_there() {
    try {
      list_files(client_, settings_, {request_.target.repo});
      return true;
    } catch (const core::Error&) {
      return false;
    }
  }

  void make_branch() {
    if (request_.target.revision == "main" || request_.pull_request) return;
    const Response response =
        client_.send_patiently(post_request(api("branch/" + url_segment(request_.target.revision)), "{}"));
    if (!response.ok() && response.status != 409) fail_for_repo(response);
  }

  // Asks how the hub wants each file.
  void plan(const LocalFile* begin, const LocalFile* end) {
    json wanted = json::array();
    for (const LocalFile* file = begin; file != end; ++file) wanted.push_back(described(*file));
    const std::string url = on_branch("preupload");
    const json answer =
        read_answer(client_, settings_, request_.target, post_request(url, json{{"files", wanted}}.dump()));
    std::map<std::string, const json*> modes;
    if (answer.contains("files") && answer["files"].is_array())
      for (const json& item : answer["files"])
        if (item.is_object()) modes[text_of(item, "path")] = &item;
    for (const LocalFile* file = begin; file != end; ++file) {
      const auto mode = modes.find(file->name);
      if (mode == modes.end()) fail_as_no_hub(url, "nothing of " + file->name);
      add(*file, *mode->second, url);
    }
  }

  static json described(const LocalFile& file) {
    LocalFile sample = file;
    sample.size = std::min(sample.size, kSampleBytes);
    return {{"path", file.name}, {"size", file.size}, {"sample", loader::encode_base64(read_whole(sample))}};
  }

  void add(const LocalFile& file, const json& item, const std::string& url) {
    const std::string mode = text_of(item, "uploadMode");
    if (mode != "lfs" && mode != "regular") fail_as_no_hub(url, "an unknown way for " + file.name);
    if (item.value("shouldIgnore", json(false)) == true)
      return remark(file.name + ": left out, as the .gitignore of the repository says");
    planned_.push_back({file, mode == "lfs" && file.size > 0, text_of(item, "oid"), ""});
  }

  void add_digests() {
    uint64_t large = 0;
    for (const Planned& planned : planned_)
      if (planned.large) large += planned.file.size;
    if (events_.on_work && large > 0) events_.on_work("checksums", large, 0);
    for (Planned& planned : planned_) {
      planned.digest = planned.large
                           ? file_sha256(planned.file.path, [this](uint64_t n) { hashed_.add(int64_t(n)); })
                           : git_blob_sha1(planned.file.path);
      check_unchanged(planned.file);
    }
  }

  void drop_unchanged() {
    result_.unchanged =
        std::erase_if(planned_, [](const Planned& planned) { return planned.digest == planned.remote; });
    result_.changed = planned_.size();
  }

  PushResult nothing_to_do() {
    result_.commit = list_files(client_, settings_, request_.target).commit;
    result_.url = settings_.endpoint + "/" + request_.target.repo + "/commit/" + result_.commit;
    return result_;
  }

  void send_large_files() {
    std::vector<LfsObject> objects;
    std::set<std::string> oids;
    for (const Planned& planned : planned_)
      if (planned.large && oids.insert(planned.digest).second)
        objects.push_back({planned.file, planned.digest});
    if (objects.empty()) return;
    UploadEvents events;
    events.on_plan = [this](uint64_t total, uint64_t there) {
      if (events_.on_work && total > 0) events_.on_work("upload", total, there);
    };
    events.on_bytes = events_.on_bytes;
    result_.sent = upload_objects(client_, settings_, request_.target, objects, request_.notes, events);
  }

  // The commit, a line an item.
  std::string payload() const {
    std::string lines;
    const auto append = [&lines](const char* key, const json& value) {
      lines +=
          json{{"key", key}, {"value", value}}.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    };
    append("header", {{"summary", request_.summary}, {"description", request_.description}});
    uint64_t carried = 0;
    for (const Planned& planned : planned_) {
      const LocalFile& file = planned.file;
      if (planned.large) {
        append("lfsFile",
               {{"path", file.name}, {"algo", "sha256"}, {"oid", planned.digest}, {"size", file.size}});
        continue;
      }
      carried += file.size;
      if (carried > kMaxInline)
        fail(ErrorCode::kRuntime,
             file.name +
                 ": the hub keeps no such file among the large ones, and with it a "
                 "commit has more than 256 MiB; push fewer files at a time with --include");
      append("file", {{"path", file.name},
                      {"encoding", "base64"},
                      {"content", loader::encode_base64(read_whole(file))}});
    }
    return lines;
  }

  PushResult commit() {
    const std::string url = on_branch("commit");
    Request request = post_request(url, payload());
    request.headers = {"Content-Type: application/x-ndjson"};
    const json answer = read_answer(client_, settings_, request_.target, request);
    result_.commit = text_of(answer, "commitOid");
    result_.url = text_of(answer, request_.pull_request ? "pullRequestUrl" : "commitUrl");
    if (!is_sha1(result_.commit) || result_.url.empty()) fail_as_no_hub(url, "no commit");
    return result_;
  }

  const Settings& settings_;
  const PushRequest& request_;
  const PushEvents& events_;
  HttpClient client_;
  ByteCount hashed_;
  std::vector<Planned> planned_;
  PushResult result_;
};

}  // namespace

PushResult push(const Settings& settings, const PushRequest& request, const PushEvents& events) {
  check_request(settings, request);
  return Push(settings, request, events).run();
}

}  // namespace vulcap::hub
