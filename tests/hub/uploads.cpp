// How the hub of hub_server.h takes files.
#include <algorithm>
#include <sstream>

#include "loader/base64.h"
#include "tests/hub/hub_hosts.h"

namespace vulcap::testing {

using nlohmann::json;

namespace {

// Large to this hub: graphs and what is binary by its name.
bool is_large(const std::string& path) { return path.ends_with(".onnx") || path.ends_with(".bin"); }

// The beginning of the content, at most 512 bytes.
bool is_sample(const json& file) {
  const auto sample = loader::decode_base64(file["sample"].get<std::string>());
  return sample && sample->size() == std::min<uint64_t>(512, file["size"].get<uint64_t>());
}

}  // namespace

void HubServer::Hosts::add_upload_routes() {
  const auto post = [this](const char* route,
                           void (Hosts::*answer)(const httplib::Request&, httplib::Response&),
                           const char* step) {
    hub.Post(route, [this, answer, step](const httplib::Request& in, httplib::Response& out) {
      note(in, false);
      if (!fails(next_fault(step), out) && may_write(in, out)) (this->*answer)(in, out);
    });
  };
  post("/api/repos/create", &Hosts::create, "create");
  post(R"(/api/models/(.+)/branch/(.+))", &Hosts::make_branch, "branch");
  post(R"(/api/models/(.+)/preupload/(.+))", &Hosts::preupload, "preupload");
  post(R"(/(.+)\.git/info/lfs/objects/batch)", &Hosts::batch, "batch");
  post("/verify", &Hosts::verify, "verify");
  post(R"(/api/models/(.+)/commit/(.+))", &Hosts::take_commit, "commit");
  store.Put(R"(/upload/([0-9a-f]+)/(\d+))", [this](const auto& in, auto& out) {
    note(in, true);
    if (!fails(next_fault("part"), out)) take_part(in, out);
  });
  store.Post(R"(/complete/([0-9a-f]+))", [this](const auto& in, auto& out) {
    note(in, true);
    if (!fails(next_fault("complete"), out)) complete(in, out);
  });
}

bool HubServer::Hosts::may_write(const httplib::Request& in, httplib::Response& out) const {
  const std::string given = in.get_header_value("Authorization");
  if (!hub_of.reader.empty() && given == "Bearer " + hub_of.reader) {
    out.status = 403;
    out.set_content(R"({"error": "You don't have the rights to create a model here"})", "application/json");
    return false;
  }
  if (given == "Bearer " + hub_of.token) return true;
  out.status = 401;
  out.set_content(R"({"error": "Invalid credentials in Authorization header"})", "application/json");
  return false;
}

void HubServer::Hosts::create(const httplib::Request& in, httplib::Response& out) {
  const json wanted = json::parse(in.body);
  const std::string name =
      wanted["organization"].get<std::string>() + "/" + wanted["name"].get<std::string>();
  if (name == hub_of.repo) {
    out.status = 409;
    const json refusal{{"error", "You already created this model repo"},
                       {"url", hub_of.endpoint() + "/" + name}};
    return out.set_content(refusal.dump(), "application/json");
  }
  hub_of.repo = name;
  const std::lock_guard guard(mutex);
  files.clear();
  out.set_content(json{{"url", hub_of.endpoint() + "/" + name}}.dump(), "application/json");
}

void HubServer::Hosts::make_branch(const httplib::Request& in, httplib::Response& out) {
  const bool is_new = hub_of.revisions.emplace(in.matches[2].str(), hub_of.commit).second;
  out.status = is_new ? 200 : 409;
}

void HubServer::Hosts::preupload(const httplib::Request& in, httplib::Response& out) {
  if (in.matches[1] != hub_of.repo || !hub_of.revisions.count(in.matches[2])) {
    out.status = 404;
    return out.set_header("X-Error-Code", in.matches[1] == hub_of.repo ? "RevisionNotFound" : "RepoNotFound");
  }
  json answers = json::array();
  const json asked = json::parse(in.body);
  for (const json& file : asked["files"]) {
    const std::string path = file["path"];
    if (!is_sample(file)) out.status = 400;
    json answer{{"path", path}, {"uploadMode", is_large(path) ? "lfs" : "regular"}, {"shouldIgnore", false}};
    if (path.ends_with(".ignored")) answer["shouldIgnore"] = true;
    if (const auto known = files.find(path); known != files.end()) answer["oid"] = known->second.etag();
    answers.push_back(answer);
  }
  out.set_content(json{{"files", answers}}.dump(), "application/json");
}

void HubServer::Hosts::batch(const httplib::Request& in, httplib::Response& out) {
  json answers = json::array();
  const json asked = json::parse(in.body);
  for (const json& object : asked["objects"]) {
    const std::string oid = object["oid"];
    json answer{{"oid", oid}, {"size", object["size"]}};
    const std::lock_guard guard(mutex);
    if (!objects.count(oid)) answer["actions"] = order(oid, object["size"]);
    answers.push_back(answer);
  }
  out.set_content(json{{"transfer", "multipart"}, {"objects", answers}}.dump(),
                  "application/vnd.git-lfs+json");
}

json HubServer::Hosts::order(const std::string& oid, uint64_t size) {
  const std::string signature = "?signature=" + std::to_string(hub_of.signature);
  json upload{{"href", store_url("/upload/" + oid + "/1" + signature)}, {"header", {{"X-Checked", "yes"}}}};
  if (hub_of.part_size > 0) {
    json header{{"chunk_size", std::to_string(hub_of.part_size)}};
    for (uint64_t part = 1; (part - 1) * hub_of.part_size < size; ++part) {
      const std::string number = std::to_string(part);
      header[std::string(5 - number.size(), '0') + number] =
          store_url("/upload/" + oid + "/" + number + signature);
    }
    upload = {{"href", store_url("/complete/" + oid + signature)}, {"header", header}};
  }
  return {{"upload", upload}, {"verify", {{"href", hub_of.endpoint() + "/verify"}}}};
}

void HubServer::Hosts::take_part(const httplib::Request& in, httplib::Response& out) {
  if (in.get_param_value("signature") != std::to_string(hub_of.signature)) {
    out.status = 403;
    return;
  }
  const std::lock_guard guard(mutex);
  if (hub_of.part_size == 0) {
    if (!hub_of.needs_upload_headers || in.get_header_value("X-Checked") == "yes")
      objects[in.matches[1].str()] = in.body;
    return;
  }
  parts[in.matches[1].str()][in.matches[2].str()] = in.body;
  out.set_header("ETag", "\"" + sha256_of(in.body) + "\"");
}

void HubServer::Hosts::complete(const httplib::Request& in, httplib::Response& out) {
  const std::lock_guard guard(mutex);
  std::string content;
  const json asked = json::parse(in.body);
  for (const json& part : asked["parts"]) {
    const std::string& bytes = parts[in.matches[1].str()][std::to_string(part["partNumber"].get<int>())];
    if (part["etag"] != "\"" + sha256_of(bytes) + "\"") out.status = 400;
    content += bytes;
  }
  objects[in.matches[1].str()] = content;
}

void HubServer::Hosts::verify(const httplib::Request& in, httplib::Response& out) {
  const json object = json::parse(in.body);
  const std::lock_guard guard(mutex);
  const auto found = objects.find(object["oid"].get<std::string>());
  if (found == objects.end() || sha256_of(found->second) != object["oid"] ||
      found->second.size() != object["size"])
    out.status = 422;
}

void HubServer::Hosts::take_commit(const httplib::Request& in, httplib::Response& out) {
  Commit commit;
  commit.repo = in.matches[1].str();
  commit.branch = in.matches[2].str();
  commit.pull_request = in.has_param("create_pr");
  std::istringstream lines(in.body);
  const std::lock_guard guard(mutex);
  for (std::string line; std::getline(lines, line);) {
    const json item = json::parse(line), value = item["value"];
    if (item["key"] == "header") {
      commit.summary = value["summary"];
      commit.description = value["description"];
      continue;
    }
    const bool large = item["key"] == "lfsFile";
    const std::string content = large ? objects.at(value["oid"].get<std::string>())
                                      : loader::decode_base64(value["content"].get<std::string>()).value();
    const std::string path = value["path"];
    commit.files[path] = content;
    if (commit.branch == "main" && !commit.pull_request) files[path] = {content, large};
  }
  commits.push_back(commit);
  const std::string base = hub_of.endpoint() + "/" + commit.repo;
  json answer{
      {"success", true}, {"commitOid", hub_of.commit}, {"commitUrl", base + "/commit/" + hub_of.commit}};
  if (commit.pull_request) answer["pullRequestUrl"] = base + "/discussions/1";
  out.set_content(answer.dump(), "application/json");
}

}  // namespace vulcap::testing
