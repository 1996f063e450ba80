// Tokenizer::load: the files of a folder become stages.
#include <algorithm>

#include "loader/tokenizer/conversion.h"
#include "loader/tokenizer/state.h"
#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

// Id for a token that no file numbers: after everything known.
std::uint32_t next_id(const AddedTokens& added, const Vocabulary& vocabulary) {
  std::uint64_t next = vocabulary.size();
  for (const AddedToken& token : added.all())
    next = std::max<std::uint64_t>(next, std::uint64_t{token.id} + 1);
  if (next > 0xFFFFFFFFu) fail_invalid("tokenizer.json: added_tokens", "no id is left for another token");
  return static_cast<std::uint32_t>(next);
}

// The vocabulary and the tokens already added decide the id, not the file that asks.
void add_with_known_id(AddedTokens& added, const Vocabulary& vocabulary, AddedToken token) {
  if (token.content.empty()) return;
  to_code_points(token.content);
  if (const AddedToken* known = added.by_content(token.content)) {
    token.id = known->id;
  } else if (const auto id = vocabulary.id_of(token.content)) {
    token.id = *id;
  } else {
    token.id = next_id(added, vocabulary);
  }
  added.add(std::move(token));
}

void add_from_file(const Fields& root, const Vocabulary& vocabulary, AddedTokens& added) {
  if (!root.has("added_tokens")) return;
  const Json& list = root.array("added_tokens");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = root.where() + ": added_tokens[" + std::to_string(i) + "]";
    AddedToken token = read_added_token(Fields(list[i], where));
    const std::uint32_t stated = token.id;
    const std::string content = token.content;
    add_with_known_id(added, vocabulary, std::move(token));
    const AddedToken* known = added.by_content(content);
    if (known != nullptr && known->id != stated) {
      fail_invalid(where, "'" + content + "' has id " + std::to_string(stated) + " here but " +
                              std::to_string(known->id) + " by its place in the vocabulary");
    }
  }
}

void add_from_config(const TokenizerConfig& config, const Vocabulary& vocabulary, AddedTokens& added) {
  for (const AddedToken& token : config.added_tokens_decoder) add_with_known_id(added, vocabulary, token);
  const auto add_missing = [&](const AddedToken& token) {
    if (added.by_content(token.content) == nullptr) add_with_known_id(added, vocabulary, token);
  };
  for (const char* role : kSpecialRoles) {
    const auto token = config.special.find(role);
    if (token != config.special.end()) add_missing(token->second);
  }
  for (const AddedToken& token : config.additional_special) add_missing(token);
}

Side read_side(const Fields& fields) {
  const std::string name = fields.string_or("direction", "Right");
  if (name != "Left" && name != "Right") fields.fail("direction '" + name + "' must be Left or Right");
  return name == "Left" ? Side::kLeft : Side::kRight;
}

Truncation read_truncation(const Fields& fields) {
  fields.allow_only({"direction", "max_length", "strategy", "stride"});
  Truncation t;
  t.max_length = fields.uint32("max_length");
  t.stride = fields.uint32_or("stride", 0);
  t.side = read_side(fields);
  const std::string strategy = fields.string_or("strategy", "LongestFirst");
  if (strategy == "OnlyFirst") {
    t.strategy = TruncationStrategy::kOnlyFirst;
  } else if (strategy == "OnlySecond") {
    t.strategy = TruncationStrategy::kOnlySecond;
  } else if (strategy != "LongestFirst") {
    fields.fail("strategy '" + strategy + "' is not known");
  }
  return t;
}

Padding read_padding(const Fields& fields) {
  constexpr std::uint32_t kLongest = 1u << 24;  // a typo must not exhaust the memory
  fields.allow_only({"strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token"});
  Padding p;
  const Json& strategy = fields.require("strategy");
  if (strategy.is_object()) {
    const std::uint32_t length = fields.object("strategy").uint32("Fixed");
    if (length > kLongest) fields.fail("Fixed length " + std::to_string(length) + " is too large");
    p.fixed_length = length;
  } else if (strategy != "BatchLongest") {
    fields.fail("strategy must be \"BatchLongest\" or {\"Fixed\": n}");
  }
  p.multiple_of = fields.uint32_or("pad_to_multiple_of", 0);
  if (p.multiple_of > kLongest) fields.fail("pad_to_multiple_of is too large");
  p.id = fields.uint32("pad_id");
  p.type_id = fields.uint32("pad_type_id");
  p.token = fields.string("pad_token");
  p.side = read_side(fields);
  return p;
}

Fields stage(const Fields& root, const char* name) {
  return Fields(root.require(name), root.where() + ": " + name);
}

}  // namespace

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  auto state = std::make_unique<State>();
  state->config = read_tokenizer_config(folder);
  const bool has_stages = std::filesystem::exists(folder / "tokenizer.json");
  Json json = has_stages ? read_json_file(folder / "tokenizer.json") : convert_files(folder, state->config);
  apply_class_rules(state->config, json);
  const Fields root(json, "tokenizer.json");
  root.allow_only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                   "post_processor", "decoder", "model"});
  if (root.has("normalizer")) state->normalizer = make_normalizer(stage(root, "normalizer"));
  if (root.has("pre_tokenizer")) state->pre_tokenizer = make_pre_tokenizer(stage(root, "pre_tokenizer"));
  if (root.has("post_processor")) state->post_processor = make_post_processor(stage(root, "post_processor"));
  if (root.has("decoder")) state->decoder = make_decoder(stage(root, "decoder"));
  if (root.has("truncation")) state->file_options.truncation = read_truncation(stage(root, "truncation"));
  if (root.has("padding")) state->file_options.padding = read_padding(stage(root, "padding"));
  const Fields model = stage(root, "model");
  state->model = make_model(model);
  if (model.has("end_of_word_suffix")) state->end_of_word_suffix = model.string("end_of_word_suffix");
  const Vocabulary& vocabulary = state->model->vocabulary();
  add_from_file(root, vocabulary, state->added_tokens);
  add_from_config(state->config, vocabulary, state->added_tokens);
  state->added_tokens.build_index(state->normalizer.get(), state->config.split_special_tokens);
  return Tokenizer(std::move(state));
}

}  // namespace vulcap::tokenizer
