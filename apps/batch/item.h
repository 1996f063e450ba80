// What a batch job captions, and where it comes from.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "loader/tasks/captioner.h"

namespace vulcap::apps {

struct BatchItem {
  std::string file;            // as its record names it
  std::filesystem::path path;  // where it lies; empty for a member of an archive
  std::string id = {};         // that a manifest gives it; may be empty
  std::optional<loader::CaptionPrompt> prompt = std::nullopt;  // its own, instead of the job's
  std::vector<std::byte> bytes = {};                           // of a member of an archive
  std::string error = {};                                      // why there is no image; one line
};

// What tells items apart, in the inputs and in the output: the id, else the file with the item's own prompt.
std::string key_of(const BatchItem& item);
// The same from a record.
std::string key_of(const nlohmann::json& record);
// Adds "id", "prompt" and "task" where the item has them.
void add_identity(const BatchItem& item, nlohmann::json& record);

// Text for a record: bytes that are no UTF-8 become \xHH, so that names stay apart.
std::string utf8_text(std::string_view name);

// Gives items one after the other, always in the same order. One caller at a time.
class ItemSource {
 public:
  virtual ~ItemSource() = default;

  // Nothing at the end, or once `stop` is requested. What cannot be read is an item with an error.
  virtual std::optional<BatchItem> next(std::stop_token stop) = 0;
  // Reads the bytes of the item that next() gave last, if it is a member of an archive.
  virtual void load(BatchItem&) {}
  // Files met that are no images, and are left out.
  virtual size_t left_out() const { return 0; }
};

}  // namespace vulcap::apps
