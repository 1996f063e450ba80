#include "loader/speech/decoder_prompt.h"

#include <algorithm>
#include <cctype>

#include "loader/speech/languages.h"
#include "runtime/core/error.h"

namespace vulcap::speech {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw core::Error(core::ErrorCode::kUsage, what); }

[[noreturn]] void lacks(const std::string& field, const std::string& need) {
  throw core::Error(core::ErrorCode::kInvalidModel, "generation_config.json lacks " + field + ", which " +
                                                        need +
                                                        "; take the file of a newer export of the model");
}

std::string known_languages(const TokenIds& ids) {
  std::string list;
  for (const auto& [token, id] : ids) {
    const bool marked = token.starts_with("<|") && token.ends_with("|>") && token.size() > 4;
    list += (list.empty() ? "" : ", ") + (marked ? token.substr(2, token.size() - 4) : token);
  }
  return list;
}

int64_t language_id(const TranscriptionConfig& config) {
  if (!config.lang_to_id) lacks("lang_to_id", "a language needs");
  std::string name = *config.language;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::string code(language_code(name).value_or(name));
  for (const std::string& token : {name, "<|" + code + "|>"}) {
    const auto found = config.lang_to_id->find(token);
    if (found != config.lang_to_id->end()) return found->second;
  }
  refuse("language '" + *config.language +
         "' is none of this model's: " + known_languages(*config.lang_to_id));
}

int64_t task_id(const TranscriptionConfig& config, const std::string& task) {
  if (!config.task_to_id) lacks("task_to_id", "a task needs");
  const auto found = config.task_to_id->find(task);
  if (found == config.task_to_id->end()) lacks("task_to_id." + task, "the task needs");
  return found->second;
}

using Open = std::optional<int64_t>;  // none: the language that is detected

// Tokens that old configurations force from position 1 on.
void append_forced(const TranscriptionConfig& config, std::vector<Open>& tokens) {
  const auto& forced = config.forced_decoder_ids;
  if (forced.empty() || forced[0].first != 1) return;
  for (size_t i = 0; i < forced.size(); ++i) {
    if (forced[i].first != int64_t(i) + 1) {
      throw core::Error(core::ErrorCode::kInvalidModel,
                        "forced_decoder_ids must count up from position 1 without a gap");
    }
    tokens.push_back(forced[i].second);
  }
}

void put_language(std::vector<Open>& tokens, int64_t id) {
  if (tokens.size() > 1) {
    tokens[1] = id;
  } else {
    tokens.push_back(id);
  }
}

void append_task(const TranscriptionConfig& config, std::vector<Open>& tokens) {
  if (config.task) {
    tokens.push_back(task_id(config, *config.task));
  } else if (config.language && config.task_to_id) {
    tokens.push_back(task_id(config, "transcribe"));
  }
}

}  // namespace

std::vector<int64_t> initial_tokens(const TranscriptionConfig& config, bool timestamps,
                                    const std::function<int64_t()>& detect) {
  if (!config.generation.decoder_start_token_id) lacks("decoder_start_token_id", "the decoder starts with");
  std::vector<Open> tokens{*config.generation.decoder_start_token_id};
  if (!config.task && !config.language) append_forced(config, tokens);
  if (config.language) {
    put_language(tokens, language_id(config));
  } else if (config.lang_to_id && (tokens.size() < 2 || !tokens[1])) {
    put_language(tokens, detect());
  }
  append_task(config, tokens);
  const auto& no_timestamps = config.no_timestamps_token_id;
  if (!timestamps && no_timestamps && tokens.back() != no_timestamps) tokens.push_back(no_timestamps);
  if (timestamps && tokens.back() == no_timestamps) tokens.pop_back();
  std::vector<int64_t> ids;
  for (const Open& token : tokens) {
    if (token) ids.push_back(*token);
  }
  return ids;
}

std::vector<int64_t> prompt_tokens(const TranscriptionConfig& config, const tokenizer::Tokenizer& tokenizer) {
  constexpr const char* kSpace = " \t\n\r\f\v";
  const size_t begin = config.prompt.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  const auto start = tokenizer.id_of("<|startofprev|>");
  if (!start)
    throw core::Error(core::ErrorCode::kInvalidModel,
                      "the tokenizer has no <|startofprev|>, which a prompt needs");
  const size_t end = config.prompt.find_last_not_of(kSpace) + 1;
  std::vector<int64_t> ids{int64_t(*start)};
  for (const auto id : tokenizer.encode(" " + config.prompt.substr(begin, end - begin), false).ids) {
    // Time stamps are not special, but lie behind all that are.
    if (tokenizer.is_special(uint32_t(id)) || int64_t(id) > ids[0])
      refuse("the prompt holds the special token " + tokenizer.token_of(uint32_t(id)).value_or("") +
             "; leave it out");
    ids.push_back(int64_t(id));
  }
  return ids;
}

std::vector<int64_t> previous_tokens(const TranscriptionConfig& config, const PreviousText& previous) {
  const std::vector<int64_t> prompt(previous.prompt.begin(), previous.prompt.end());
  std::vector<int64_t> text;
  if (!prompt.empty() && !config.prompt_all_segments) text.assign(prompt.begin() + 1, prompt.end());
  for (const Segment& segment : previous.segments) {
    const auto& ids = segment.ids;
    const bool double_ending = ids.size() > 2 && ids[ids.size() - 2] >= previous.timestamp_begin;
    text.insert(text.end(), ids.begin(), ids.end() - (double_ending ? 1 : 0));
  }
  const bool has_before = !previous.segments.empty() || (!prompt.empty() && !config.prompt_all_segments);
  if (!previous.condition || !has_before) return prompt;
  const auto kept =
      std::min(text.size(), size_t(std::max<int64_t>(previous.max_target_positions / 2 - 1, 0)));
  text.erase(text.begin(), text.end() - int64_t(kept));
  if (config.prompt_all_segments && !prompt.empty()) {
    text.insert(text.begin(), prompt.begin(), prompt.end());
    return text;
  }
  const auto& suppressed = config.generation.suppress_tokens;
  std::optional<int64_t> start = config.prev_sot_token_id;
  if (!start && suppressed.size() >= 2) start = suppressed[suppressed.size() - 2];
  if (start) text.insert(text.begin(), *start);
  return text;
}

}  // namespace vulcap::speech
