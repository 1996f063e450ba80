// The two hosts of the hub of hub_server.h: itself, and the store of its large files.
#pragma once

#include <httplib.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/hub/hub_server.h"

namespace vulcap::testing {

struct HubFile {
  std::string content;
  bool large = false;

  std::string etag() const { return large ? sha256_of(content) : git_sha1_of(content); }
};

struct HubServer::Hosts {
  explicit Hosts(HubServer& owner) : hub_of(owner) {
    hub.Get(R"(/api/models/(.+)/revision/(.+))", [this](const auto& in, auto& out) { list(in, out); });
    hub.Get(R"(/(.+)/resolve/([^/]+)/(.+))", [this](const auto& in, auto& out) { resolve(in, out); });
    store.Get(R"(/store/(.+))", [this](const auto& in, auto& out) {
      note(in, true);
      send(in, out, in.matches[1]);
    });
    add_upload_routes();
    start(hub, hub_port);
    start(store, store_port);
  }

  ~Hosts() {
    hub.stop();
    store.stop();
    for (std::thread& thread : threads) thread.join();
  }

  void start(httplib::Server& server, int& port) {
    server.set_keep_alive_timeout(1);
    port = server.bind_to_any_port("127.0.0.1");
    threads.emplace_back([&server] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::yield();
  }

  void note(const httplib::Request& in, bool on_store) {
    const std::lock_guard guard(mutex);
    seen.push_back(
        {in.method, in.path, in.get_header_value("Authorization"), in.get_header_value("Range"), on_store});
  }

  // The fault that the next answer for `file` has.
  Fault next_fault(const std::string& file) {
    const std::lock_guard guard(mutex);
    auto& faults = pending[file];
    if (faults.empty()) return {};
    const Fault fault = faults.front();
    if (--faults.front().times == 0) faults.erase(faults.begin());
    return fault;
  }

  // True when that was the answer.
  static bool fails(const Fault& fault, httplib::Response& out) {
    std::this_thread::sleep_for(std::chrono::milliseconds(fault.wait_ms));
    if (!fault.redirect.empty()) {
      out.set_redirect(fault.redirect);
      return true;
    }
    if (fault.status == 0) return false;
    out.status = fault.status;
    if (!fault.error_code.empty()) out.set_header("X-Error-Code", fault.error_code);
    if (!fault.error_message.empty()) out.set_header("X-Error-Message", fault.error_message);
    if (!fault.retry_after.empty()) out.set_header("Retry-After", fault.retry_after);
    return true;
  }

  bool refuses(const httplib::Request& in, httplib::Response& out) const {
    if (hub_of.token.empty() || in.get_header_value("Authorization") == "Bearer " + hub_of.token)
      return false;
    out.status = 401;
    out.set_header("X-Error-Code", "GatedRepo");
    return true;
  }

  void list(const httplib::Request& in, httplib::Response& out) {
    note(in, false);
    const std::string repo = in.matches[1], revision = in.matches[2];
    if (repo == hub_of.old_repo && !repo.empty())
      return out.set_redirect("/api/models/" + hub_of.repo + "/revision/" + revision + "?blobs=true", 307);
    if (fails(next_fault(""), out) || refuses(in, out)) return;
    const bool known = repo == hub_of.repo;
    const auto commit = hub_of.revisions.find(revision);
    if (!known || (commit == hub_of.revisions.end() && revision != hub_of.commit)) {
      out.status = known ? 404 : 401;
      return out.set_header("X-Error-Code", known ? "RevisionNotFound" : "RepoNotFound");
    }
    nlohmann::json answer{{"id", repo}, {"sha", hub_of.commit}, {"siblings", nlohmann::json::array()}};
    for (const auto& [name, file] : files) answer["siblings"].push_back(described(name, file));
    if (!hub_of.extra_listing.empty()) answer["siblings"].push_back({{"rfilename", hub_of.extra_listing}});
    out.set_content(answer.dump(), "application/json");
  }

  nlohmann::json described(const std::string& name, const HubFile& file) const {
    nlohmann::json item{{"rfilename", name}};
    if (hub_of.plain_listing) return item;
    item["size"] = file.content.size();
    item["blobId"] = file.large ? std::string(40, 'b') : file.etag();
    if (file.large)
      item["lfs"] = {{"sha256", file.etag()}, {"size", file.content.size()}, {"pointerSize", 130}};
    return item;
  }

  void resolve(const httplib::Request& in, httplib::Response& out) {
    note(in, false);
    const std::string name = in.matches[3];
    const auto file = files.find(name);
    if (refuses(in, out)) return;
    if (in.matches[2] != hub_of.commit || file == files.end()) {
      out.status = 404;
      return out.set_header("X-Error-Code", "EntryNotFound");
    }
    out.set_header("X-Repo-Commit", hub_of.commit);
    if (!file->second.large) {
      out.set_header("ETag", "\"" + file->second.etag() + "\"");
      return send(in, out, name);
    }
    out.set_header("X-Linked-Etag", "\"" + file->second.etag() + "\"");
    out.set_header("X-Linked-Size", std::to_string(file->second.content.size()));
    out.set_redirect("http://127.0.0.1:" + std::to_string(store_port) + "/store/" + name);
  }

  void send(const httplib::Request& in, httplib::Response& out, const std::string& name) {
    if (in.method == "HEAD") return out.set_content(files.at(name).content, "application/octet-stream");
    const Fault fault = next_fault(name);
    if (fails(fault, out)) return;
    std::string content = files.at(name).content;
    if (fault.corrupt) content.replace(content.size() / 2, 1, 1, char(~content[content.size() / 2]));
    content += std::string(size_t(fault.surplus), 'x');
    if (fault.ignore_range || fault.wrong_range) const_cast<httplib::Request&>(in).ranges.clear();
    if (fault.wrong_range) {
      out.status = 206;
      out.set_header("Content-Range",
                     "bytes 0-" + std::to_string(content.size() - 1) + "/" + std::to_string(content.size()));
    }
    int64_t left = fault.cut_after >= 0 ? fault.cut_after : int64_t(content.size());
    out.set_content_provider(content.size(), "application/octet-stream",
                             [content, left](size_t offset, size_t length, httplib::DataSink& sink) mutable {
                               const size_t count = std::min<size_t>({length, size_t(left), 16384});
                               if (count == 0) return false;
                               left -= int64_t(count);
                               return sink.write(content.data() + offset, count);
                             });
  }

  // uploads.cpp
  void add_upload_routes();
  bool may_write(const httplib::Request& in, httplib::Response& out) const;
  void create(const httplib::Request& in, httplib::Response& out);
  void make_branch(const httplib::Request& in, httplib::Response& out);
  void preupload(const httplib::Request& in, httplib::Response& out);
  void batch(const httplib::Request& in, httplib::Response& out);
  nlohmann::json order(const std::string& oid, uint64_t size);
  void take_part(const httplib::Request& in, httplib::Response& out);
  void complete(const httplib::Request& in, httplib::Response& out);
  void verify(const httplib::Request& in, httplib::Response& out);
  void take_commit(const httplib::Request& in, httplib::Response& out);
  std::string store_url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(store_port) + path;
  }

  HubServer& hub_of;
  httplib::Server hub, store;
  int hub_port = 0, store_port = 0;
  std::vector<std::thread> threads;
  mutable std::mutex mutex;
  std::map<std::string, HubFile> files;
  std::map<std::string, std::vector<Fault>> pending;
  std::vector<SeenRequest> seen;
  std::map<std::string, std::string> objects;                       // that arrived, by SHA-256
  std::map<std::string, std::map<std::string, std::string>> parts;  // of uploads, by SHA-256 and number
  std::vector<HubServer::Commit> commits;
};

}  // namespace vulcap::testing
