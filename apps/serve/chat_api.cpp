#include "apps/serve/chat_api.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <random>

#include "apps/serve/request_json.h"

namespace vulcap::apps::serve {
namespace {

using nlohmann::json;

// Fields that say nothing about the answer.
constexpr std::array kWithoutEffect{"user", "metadata", "store", "safety_identifier", "service_tier"};

// Fields that are understood at the value that asks for nothing.
struct Neutral {
  const char* name;
  const char* value;  // JSON
};
constexpr std::array<Neutral, 9> kNeutral{{{"frequency_penalty", "0"},
                                           {"presence_penalty", "0"},
                                           {"logprobs", "false"},
                                           {"top_logprobs", "0"},
                                           {"logit_bias", "{}"},
                                           {"tools", "[]"},
                                           {"tool_choice", "\"none\""},
                                           {"modalities", R"(["text"])"},
                                           {"response_format", R"({"type":"text"})"}}};

// OpenAI's names of settings.
struct Renamed {
  const char* name;
  const char* flag;
};
constexpr std::array<Renamed, 5> kRenamed{{{"max_tokens", "max-new-tokens"},
                                           {"max_completion_tokens", "max-new-tokens"},
                                           {"n", "num-return-sequences"},
                                           {"stop", "stop-strings"},
                                           {"seed", "seed"}}};

// "length" where the caption was cut off at the most tokens that it may have.
const char* finish_reason(const generate::GenerationConfig& config, const loader::Caption& caption) {
  const auto is_end = [&](int64_t id) {
    return std::find(config.eos_token_id.begin(), config.eos_token_id.end(), id) != config.eos_token_id.end();
  };
  const auto begin =
      caption.ids.size() < 2 ? caption.ids.end() : caption.ids.begin() + 1;  // past a start token
  const bool stopped =
      std::any_of(config.stop_strings.begin(), config.stop_strings.end(),
                  [&](const auto& stop) { return caption.text.find(stop) != std::string::npos; });
  return stopped || std::any_of(begin, caption.ids.end(), is_end) ? "stop" : "length";
}

// What vulcap knows beside the text.
json details(const CaptionJob& job, const std::vector<std::string>& warnings) {
  json all = record_json(job.record());
  all.erase("file");
  std::vector<std::string> remarks = warnings;
  for (const auto& more : {job.warnings(), record_remarks(job.record())})
    remarks.insert(remarks.end(), more.begin(), more.end());
  if (!remarks.empty()) all["warnings"] = remarks;
  return all;
}

void read_image(const json& part, const std::string& where, ChatRequest& request) {
  const auto found = part.find("image_url");
  if (found == part.end()) throw ApiError{400, "is missing", where + ".image_url"};
  if (!request.caption.image.empty()) throw ApiError{400, "one image a request; this is the second", where};
  const json url = found->is_object() ? found->value("url", json()) : *found;
  if (!url.is_string()) throw ApiError{400, "must be a string", where + ".image_url.url"};
  if (found->is_object() && found->contains("detail") && (*found)["detail"] != "auto")
    request.warnings.push_back("image_url.detail has no effect: the model's own preprocessing counts");
  request.caption.image = image_bytes(url.get<std::string>(), false, where + ".image_url.url");
  if (request.caption.image.empty()) throw ApiError{400, "holds no bytes", where + ".image_url.url"};
}

void read_part(const json& part, const std::string& where, ChatRequest& request) {
  if (!part.is_object()) throw ApiError{400, "must be an object with a type", where};
  const std::string type = string_field(part, "type");
  if (type == "image_url") return read_image(part, where, request);
  if (type != "text")
    throw ApiError{400, "a part is of type text or image_url, not '" + type + "'", where + ".type"};
  const std::string text = string_field(part, "text");
  std::string& prompt = request.caption.prompt.text;
  prompt += (prompt.empty() || text.empty() ? "" : "\n") + text;
}

void read_messages(const json& body, ChatRequest& request) {
  const auto messages = body.find("messages");
  if (messages == body.end() || !messages->is_array() || messages->empty())
    throw ApiError{400, "must be a list with one message", "messages"};
  if (messages->size() != 1)
    throw ApiError{400, "the model looks at one image at a time: give one message, of role user", "messages"};
  const json& message = (*messages)[0];
  if (!message.is_object() || string_field(message, "role") != "user")
    throw ApiError{400, "the message must be an object with the role user", "messages[0]"};
  const auto content = message.find("content");
  if (content != message.end() && content->is_array()) {
    for (size_t i = 0; i < content->size(); ++i)
      read_part((*content)[i], "messages[0].content[" + std::to_string(i) + "]", request);
  }
  if (request.caption.image.empty())
    throw ApiError{400,
                   "there is no image; add a part {\"type\": \"image_url\", \"image_url\": {\"url\": "
                   "\"data:image/png;base64,...\"}}",
                   "messages[0].content"};
}

double number(const json& value, const std::string& name) {
  if (!value.is_number()) throw ApiError{400, "must be a number", name};
  return value.get<double>();
}

// A temperature of 0 is OpenAI's way to ask for the likeliest text, any other asks for sampling.
void read_sampling(const json& body, loader::GenerationFlags& flags) {
  const auto given = [&](const char* name) { return body.contains(name) && !body[name].is_null(); };
  const bool is_told = given("do_sample");
  if (given("temperature")) {
    const bool greedy = number(body["temperature"], "temperature") == 0;
    if (!is_told) flags.emplace_back("do-sample", greedy ? "false" : "true");
    if (!greedy || is_told) flags.emplace_back("temperature", flag_text(body["temperature"]));
  }
  if (given("top_p") && number(body["top_p"], "top_p") != 1) {
    if (!is_told && !given("temperature")) flags.emplace_back("do-sample", "true");
    flags.emplace_back("top-p", flag_text(body["top_p"]));
  }
}

template <typename Table>
auto row_of(const Table& table, const std::string& name) {
  return std::find_if(table.begin(), table.end(), [&](const auto& row) { return row.name == name; });
}

void read_setting(const std::string& name, const json& value, ChatRequest& request) {
  if (const auto row = row_of(kRenamed, name); row != kRenamed.end()) {
    const bool single = std::string(name) == "stop" && value.is_string();
    if (!value.is_null())
      request.caption.flags.emplace_back(row->flag, flag_text(single ? json::array({value}) : value));
    return;
  }
  if (const auto row = row_of(kNeutral, name); row != kNeutral.end()) {
    if (value.is_null() || value == json::parse(row->value)) return;
    throw ApiError{400, "is not supported; leave it out", name, "unsupported_parameter"};
  }
  if (std::find(kWithoutEffect.begin(), kWithoutEffect.end(), name) != kWithoutEffect.end()) return;
  if (add_generation_flag(name, value, request.caption.flags)) return;
  throw ApiError{400, "is no field of this API", name, "unknown_parameter"};
}

}  // namespace

ChatRequest parse_chat(const json& body) {
  ChatRequest request;
  request.model = string_field(body, "model");
  request.caption.stream = bool_field(body, "stream");
  request.caption.prompt.task = string_field(body, "task");
  read_messages(body, request);
  read_sampling(body, request.caption.flags);
  static constexpr std::array kRead{"model",       "stream", "task",          "messages",
                                    "temperature", "top_p",  "stream_options"};
  for (const auto& [name, value] : body.items()) {
    if (std::find(kRead.begin(), kRead.end(), name) == kRead.end()) read_setting(name, value, request);
  }
  if (body.contains("stream_options") && body["stream_options"].is_object())
    request.include_usage = bool_field(body["stream_options"], "include_usage");
  return request;
}

ChatAnswer::ChatAnswer(std::string model)
    : model_(std::move(model)),
      created_(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())) {
  std::array<char, 48> id{};
  std::random_device random;
  std::snprintf(id.data(), id.size(), "chatcmpl-%08x%08x", random(), random());
  id_ = id.data();
}

json ChatAnswer::head(const char* object) const {
  return {{"id", id_}, {"object", object}, {"created", created_}, {"model", model_}};
}

json ChatAnswer::completion(const CaptionJob& job, const std::vector<std::string>& warnings) const {
  json answer = head("chat.completion");
  answer["choices"] = json::array();
  const auto& captions = job.record().captioned.result.captions;
  for (size_t i = 0; i < captions.size(); ++i) {
    answer["choices"].push_back({{"index", i},
                                 {"message", {{"role", "assistant"}, {"content", captions[i].text}}},
                                 {"logprobs", nullptr},
                                 {"finish_reason", finish_reason(job.config(), captions[i])}});
  }
  answer["usage"] = usage(job)["usage"];
  answer["vulcap"] = details(job, warnings);
  return answer;
}

json ChatAnswer::piece(const std::string& text, size_t index, bool first) const {
  json delta{{"content", text}};
  if (first) delta["role"] = "assistant";
  json answer = head("chat.completion.chunk");
  answer["choices"] = {
      {{"index", index}, {"delta", delta}, {"logprobs", nullptr}, {"finish_reason", nullptr}}};
  return answer;
}

json ChatAnswer::end(const CaptionJob& job, size_t index, const std::vector<std::string>& warnings) const {
  const auto& captions = job.record().captioned.result.captions;
  json answer = head("chat.completion.chunk");
  answer["choices"] = {{{"index", index},
                        {"delta", json::object()},
                        {"logprobs", nullptr},
                        {"finish_reason", finish_reason(job.config(), captions[index])}}};
  if (index + 1 == captions.size()) answer["vulcap"] = details(job, warnings);
  return answer;
}

json ChatAnswer::usage(const CaptionJob& job) const {
  const loader::CaptionResult& result = job.record().captioned.result;
  int64_t completion = 0;
  for (const loader::Caption& caption : result.captions) completion += caption.new_tokens;
  json answer = head("chat.completion.chunk");
  answer["choices"] = json::array();
  answer["usage"] = {{"prompt_tokens", result.prompt_tokens},
                     {"completion_tokens", completion},
                     {"total_tokens", result.prompt_tokens + completion}};
  return answer;
}

}  // namespace vulcap::apps::serve
