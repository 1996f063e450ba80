#include "loader/generation/stop_strings.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

// Tokens are decoded behind this text, so that what decoders do at a beginning does not concern them.
constexpr std::string_view kBase = "abcdef";
// In place of an id without a token: no UTF-8 text has this byte.
constexpr const char* kNoText = "\xFF";

size_t code_points(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

StopStrings::StopStrings(const tokenizer::Tokenizer& tokenizer, std::vector<std::string> stops)
    : tokenizer_(tokenizer), stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty()) throw core::Error(core::ErrorCode::kUsage, "a stop string is empty");
    longest_ = std::max(longest_, code_points(stop));
  }
  const auto ids = tokenizer_.encode(kBase, false).ids;
  base_.assign(ids.begin(), ids.end());
}

const std::string& StopStrings::text_of(int64_t id) {
  const auto known = texts_.find(id);
  if (known != texts_.end()) return known->second;
  std::string text = kNoText;
  if (tokenizer_.token_of(uint32_t(id))) {
    std::vector<int64_t> ids = base_;
    ids.push_back(id);
    text = tokenizer_.decode(std::span<const int64_t>(ids), false, false);
    const size_t base = text.find(kBase);
    text = base == std::string::npos ? tokenizer_.decode(std::span<const int64_t>(&id, 1), false, false)
                                     : text.substr(base + kBase.size());
  }
  return texts_.emplace(id, std::move(text)).first->second;
}

bool StopStrings::ends(std::span<const int64_t> ids) {
  const auto recent = ids.last(std::min(ids.size(), longest_));
  std::string text;
  for (const int64_t id : recent.first(recent.size() - 1)) text += text_of(id);
  const size_t last_begin = text.size();
  text += text_of(recent.back());
  return std::any_of(stops_.begin(), stops_.end(), [&](const std::string& stop) {
    for (size_t at = text.find(stop); at != std::string::npos; at = text.find(stop, at + 1)) {
      if (at + stop.size() > last_begin) return true;
    }
    return false;
  });
}

}  // namespace vulcap::loader
