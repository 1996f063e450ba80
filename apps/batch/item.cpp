#include "apps/batch/item.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace vulcap::apps {
namespace {

std::string make_key(const std::string& id, const std::string& file, const std::string& prompt,
                     const std::string& task) {
  if (!id.empty()) return id;
  if (prompt.empty() && task.empty()) return file;
  return file + '\0' + prompt + '\0' + task;
}

// Length of the UTF-8 sequence that `text` begins with; 0: there is none.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? (unsigned char)text[i] : 0u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  for (size_t i = 1; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  const unsigned second = byte(1);
  const bool too_long = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool no_character = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return too_long || no_character ? 0 : length;
}

}  // namespace

std::string key_of(const BatchItem& item) {
  const loader::CaptionPrompt prompt = item.prompt.value_or(loader::CaptionPrompt{});
  return make_key(item.id, item.file, prompt.text, prompt.task);
}

std::string key_of(const nlohmann::json& record) {
  const auto text = [&](const char* name) { return record.value(name, std::string()); };
  return make_key(text("id"), record.at("file").get<std::string>(), text("prompt"), text("task"));
}

void add_identity(const BatchItem& item, nlohmann::json& record) {
  if (!item.id.empty()) record["id"] = item.id;
  if (!item.prompt) return;
  if (!item.prompt->text.empty()) record["prompt"] = item.prompt->text;
  if (!item.prompt->task.empty()) record["task"] = item.prompt->task;
}

std::string utf8_text(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const size_t length = sequence_length(name);
    if (length == 0) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", (unsigned)(unsigned char)name[0]);
      text += escaped;
    } else {
      text += name.substr(0, length);
    }
    name.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

}  // namespace vulcap::apps
