#include "loader/hub/upload_notes.h"

#include <nlohmann/json.hpp>
#include <span>

#include "loader/hub/digest.h"
#include "loader/new_file.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

}  // namespace

UploadNotes::UploadNotes(const fs::path& folder, const Settings& settings, const Source& target,
                         const std::string& oid) {
  if (!folder.empty())
    path_ = folder / (sha256(settings.endpoint + "\n" + target.repo + "\n" + oid) + ".json");
}

bool UploadNotes::load(LfsOrder& order, std::vector<std::string>& etags) const {
  std::error_code error;
  if (path_.empty() || !fs::is_regular_file(path_, error)) return false;
  try {
    const json notes = loader::read_json_object(path_);
    auto urls = notes.at("parts").get<std::vector<std::string>>();
    auto sent = notes.at("etags").get<std::vector<std::string>>();
    if (notes.at("part_size") != order.part_size || urls.size() != order.part_urls.size() ||
        sent.size() != urls.size())
      return false;
    order.upload.url = notes.at("url").get<std::string>();
    order.part_urls = std::move(urls);
    etags = std::move(sent);
    return true;
  } catch (const core::Error&) {
    return false;
  } catch (const json::exception&) {
    return false;
  }
}

void UploadNotes::save(const LfsOrder& order, const std::vector<std::string>& etags) const {
  if (path_.empty()) return;
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  fs::permissions(path_.parent_path(), fs::perms::owner_all, error);
  if (error) return;
  const json notes{{"url", order.upload.url},
                   {"part_size", order.part_size},
                   {"parts", order.part_urls},
                   {"etags", etags}};
  const std::string text = notes.dump(-1, ' ', false, json::error_handler_t::replace);
  try {
    loader::NewFile file(path_);
    file.write(std::as_bytes(std::span(text)));
    file.commit();
  } catch (const core::Error&) {
  }
}

void UploadNotes::remove() const {
  std::error_code ignored;
  if (!path_.empty()) fs::remove(path_, ignored);
}

}  // namespace vulcap::hub
