#include "loader/hub/listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "loader/hub/answers.h"
#include "loader/hub/failure.h"
#include "loader/hub/names.h"

namespace vulcap::hub {
namespace {

using nlohmann::json;

constexpr size_t kMaxFiles = 100'000;
constexpr int kTriesWithoutAnswer = 2;  // of the first request: a network that is not there shows at once

std::string get_text(HttpClient& client, const Settings& settings, const Source& source,
                     const std::string& url) {
  std::string text;
  Request request;
  request.url = url;
  request.text = &text;
  for (int tries = 1;; ++tries) {
    const Response response = client.send(request);
    if (response.ok()) return text;
    const bool silent = response.status == 0 && tries >= kTriesWithoutAnswer;
    if (silent || !client.wait_for_next_try(response, tries))
      fail_for(response, settings, source, source.repo);
  }
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
  const auto fail = [&url](const std::string& problem) { fail_as_no_hub(url, problem); };
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

}  // namespace

std::string file_url(const Settings& settings, const Source& source, const std::string& commit,
                     const std::string& file) {
  return settings.endpoint + "/" + url_path(source.repo) + "/resolve/" + url_segment(commit) + "/" +
         url_path(file);
}

Listing list_files(HttpClient& client, const Settings& settings, const Source& source) {
  const std::string url = settings.endpoint + "/api/models/" + url_path(source.repo) + "/revision/" +
                          url_segment(source.revision) + "?blobs=true";
  return read_listing(parse_answer(get_text(client, settings, source, url), url), url);
}

void ask_for_details(HttpClient& client, const Settings& settings, const Source& source,
                     const std::string& commit, RemoteFile& file) {
  if (file.size && !file.etag.empty()) return;
  Request request;
  request.url = file_url(settings, source, commit, file.name);
  request.method = Method::kHead;
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
