// /v1/chat/completions as OpenAI's clients speak it: one user message with an image, and words beside it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/serve/caption_service.h"

namespace vulcap::apps::serve {

struct ChatRequest {
  CaptionRequest caption;
  std::string model;  // as the client names it; empty: not
  bool include_usage = false;
  std::vector<std::string> warnings;  // fields without effect
};

// Every field is honoured, known to be without effect, or refused by name. Throws ApiError.
ChatRequest parse_chat(const nlohmann::json& body);

// What stays the same in all objects of one answer.
class ChatAnswer {
 public:
  explicit ChatAnswer(std::string model);

  // The whole answer.
  nlohmann::json completion(const CaptionJob& job, const std::vector<std::string>& warnings) const;
  // A piece of the text of choice `index`, of which there may be more; `first`: with the role.
  nlohmann::json piece(const std::string& text, size_t index, bool first) const;
  // The end of each choice, with what vulcap has to say beside the text.
  nlohmann::json end(const CaptionJob& job, size_t index, const std::vector<std::string>& warnings) const;
  nlohmann::json usage(const CaptionJob& job) const;

 private:
  nlohmann::json head(const char* object) const;

  std::string id_;
  std::string model_;
  int64_t created_;  // seconds since 1970
};

}  // namespace vulcap::apps::serve
