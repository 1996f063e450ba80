#include "loader/hub/listing.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "loader/hub/names.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

using core::ErrorCode;
using nlohmann::json;

constexpr size_t kMaxListing = size_t(64) << 20;  // bytes
constexpr size_t kMaxFiles = 100'000;
constexpr int kTriesWithoutAnswer = 2;  // of the first request: a network that is not there shows at once

std::string get_text(HttpClient& client, const Settings& settings, const Source& source,
                     const std::string& url) {
  std::string text;
  Request request;
  request.url = url;
  request.on_body = [&](const Response&, std::string_view piece) {
    if (text.size() + piece.size() > kMaxListing)
      throw core::Error(ErrorCode::kRuntime, url + ": the answer is longer than 64 MiB; refused");
    text += piece;
  };
  for (int tries = 1;; ++tries) {
    text.clear();
    const Response response = client.send(request);
    if (response.ok()) return text;
    const bool silent = response.status == 0 && tries >= kTriesWithoutAnswer;
    if (silent || !client.wait_for_next_try(response, tries))
      fail_for(response, settings, source, source.repo);
  }
}

std::string text_of(const json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() ? value->get<std::string>() : "";
}

std::optional<uint64_t> size_of(const json& object) {
  const auto value = object.find("size");
  if (value == object.end() || !value->is_number_unsigned()) return std::nullopt;
  return value->get<uint64_t>();
}

RemoteFile read_file(const json& item) {
  RemoteFile file;
  file.name = text_of(item, "rfilename");
  check_file_name(file.name);
  const auto large = item.find("lfs");
  if (large != item.end() && large->is_object()) {
    file.etag = text_of(*large, "sha256");
    file.size = size_of(*large);
  } else {
    file.etag = text_of(item, "blobId");
    file.size = size_of(item);
  }
  if (!file.etag.empty()) check_blob_name(file.etag);
  return file;
}

Listing read_listing(const json& answer, const std::string& url) {
  const auto fail = [&url](const std::string& problem) {
    throw core::Error(ErrorCode::kRuntime,
                      url + ": not the answer of a hub (" + problem + "); is HF_ENDPOINT right?");
  };
  Listing listing;
  if (!answer.is_object()) fail("no object");
  listing.commit = text_of(answer, "sha");
  if (!is_sha1(listing.commit)) fail("no commit");
  const auto files = answer.find("siblings");
  if (files == answer.end() || !files->is_array()) fail("no list of files");
  if (files->size() > kMaxFiles) fail("more than 100,000 files");
  for (const json& item : *files) {
    if (!item.is_object()) fail("a file without a name");
    listing.files.push_back(read_file(item));
  }
  std::sort(listing.files.begin(), listing.files.end(),
            [](const RemoteFile& a, const RemoteFile& b) { return a.name < b.name; });
  return listing;
}

// `W/"abc"` -> `abc`.
std::string plain_etag(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  return etag;
}

std::optional<uint64_t> number_of(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// What the status alone says, and what to do about it.
std::string reason_of(const Response& response, const Settings& settings, const Source& source) {
  const std::string page = settings.endpoint + "/" + source.repo;
  const std::string code = response.header("x-error-code");
  if (code == "GatedRepo") {
    return settings.token.empty()
               ? "is gated: accept its terms on " + page + " and give a token (HF_TOKEN or --hf-token)"
               : "is gated and this token has no access: ask for it on " + page;
  }
  if (response.status == 401 || code == "RepoNotFound") {
    return settings.token.empty()
               ? "is not on " + settings.endpoint +
                     ", or is private; check the name, or give a token (HF_TOKEN or --hf-token)"
               : "is not on " + settings.endpoint +
                     ", or this token is not valid or has no access to it; check both";
  }
  if (code == "RevisionNotFound") return "has no revision '" + source.revision + "'";
  if (response.status == 404) return "is not on " + settings.endpoint + "; check the name";
  if (response.status == 403) return "may not be read: " + settings.endpoint + " answers 403 (forbidden)";
  if (response.status == 429) {
    return "is refused for now: too many requests to " + settings.endpoint + "; try again " +
           (response.retry_after.count() > 0 ? "in " + std::to_string(response.retry_after.count()) + " s"
                                             : std::string("later")) +
           (settings.token.empty() ? ", or with a token" : "");
  }
  return "cannot be read: " + settings.endpoint + " answers " + std::to_string(response.status) +
         (response.status >= 500 ? "; try again later" : "");
}

}  // namespace

void fail_for(const Response& response, const Settings& settings, const Source& source,
              const std::string& what) {
  if (!response.problem.empty()) {
    throw core::Error(
        ErrorCode::kRuntime,
        what + ": cannot be downloaded from " + settings.endpoint + " (" + response.problem +
            "); check the network, HF_ENDPOINT and the proxy; the same command goes on from here");
  }
  const std::string code = response.header("x-error-code");
  const bool absent = code == "RepoNotFound" || code == "RevisionNotFound" || response.status == 404 ||
                      (response.status == 401 && code != "GatedRepo");
  const std::string words = response.header("x-error-message");
  throw core::Error(absent ? ErrorCode::kInvalidModel : ErrorCode::kRuntime,
                    what + " " + reason_of(response, settings, source) +
                        (words.empty() ? "" : " (\"" + printable(words) + "\")"));
}

std::string file_url(const Settings& settings, const Source& source, const std::string& commit,
                     const std::string& file) {
  return settings.endpoint + "/" + url_path(source.repo) + "/resolve/" + url_segment(commit) + "/" +
         url_path(file);
}

Listing list_files(HttpClient& client, const Settings& settings, const Source& source) {
  const std::string url = settings.endpoint + "/api/models/" + url_path(source.repo) + "/revision/" +
                          url_segment(source.revision) + "?blobs=true";
  const std::string text = get_text(client, settings, source, url);
  try {
    return read_listing(loader::parse_json(text, url), url);
  } catch (const core::Error& error) {
    throw core::Error(ErrorCode::kRuntime, error.message());
  }
}

void ask_for_details(HttpClient& client, const Settings& settings, const Source& source,
                     const std::string& commit, RemoteFile& file) {
  if (file.size && !file.etag.empty()) return;
  Request request;
  request.url = file_url(settings, source, commit, file.name);
  request.head = true;
  const Response response = client.send_patiently(request);
  const bool linked = response.status >= 300 && response.status < 400 && response.problem.empty();
  if (!response.ok() && !linked) fail_for(response, settings, source, source.repo + "/" + file.name);
  const std::string etag = response.header("x-linked-etag");
  file.etag = plain_etag(etag.empty() ? response.header("etag") : etag);
  check_blob_name(file.etag);
  file.size = number_of(response.header(linked ? "x-linked-size" : "content-length"));
  if (const auto size = number_of(response.header("x-linked-size"))) file.size = size;
}

}  // namespace vulcap::hub
