#include "loader/tokenizer/tokenizer.h"

#include <utility>

#include "loader/tokenizer/state.h"
#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

// Maps ranges of bytes of a piece to characters of it. Ranges that reach into a character take all of it.
class CharRanges {
 public:
  explicit CharRanges(const std::u32string& text) {
    for (std::uint32_t i = 0; i < text.size(); ++i)
      char_of_byte_.insert(char_of_byte_.end(), utf8_length(text[i]), i);
  }

  std::pair<std::size_t, std::size_t> of_bytes(std::size_t begin, std::size_t end) const {
    const std::size_t size = char_of_byte_.size();
    end = std::min(end, size);
    begin = std::min(begin, end);
    const std::size_t first = begin < size ? char_of_byte_[begin] : size == 0 ? 0 : char_of_byte_.back() + 1;
    return {first, begin == end ? first : char_of_byte_[end - 1] + 1};
  }

 private:
  std::vector<std::uint32_t> char_of_byte_;
};

// As clean_up_tokenization of transformers.
void clean_up(std::string& text) {
  static constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Length of <|1.23|> at `at`, 0 when there is none.
std::size_t time_stamp_length(std::string_view text, std::size_t at) {
  if (text.substr(at, 2) != "<|") return 0;
  std::size_t end = at + 2;
  for (const char* separator : {".", "|>"}) {
    const std::size_t digits = end;
    while (end < text.size() && is_digit(text[end])) ++end;
    const std::string_view expected(separator);
    if (end == digits || text.substr(end, expected.size()) != expected) return 0;
    end += expected.size();
  }
  return end - at;
}

std::string without_time_stamps(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = time_stamp_length(text, at);
    if (length == 0) out.push_back(text[at]);
    at += length == 0 ? 1 : length;
  }
  return out;
}

}  // namespace

Encoding Tokenizer::State::encode_text(std::string_view text, std::uint32_t type_id) const {
  std::vector<Piece> pieces = added_tokens.split(to_code_points(text), normalizer.get());
  pieces = pre_tokenize(pre_tokenizer.get(), std::move(pieces));
  Encoding out;
  std::vector<Token> tokens;
  for (std::size_t word = 0; word < pieces.size(); ++word) {
    const NormalizedString& piece = pieces[word].text;
    const std::string utf8 = to_utf8(piece.chars());
    const auto word_id = static_cast<std::int32_t>(word);
    if (const auto& added = pieces[word].added_token) {
      out.push(*added, utf8, piece.origin(0, piece.size()), type_id, word_id);
      continue;
    }
    tokens.clear();
    model->tokenize(utf8, tokens);
    const CharRanges ranges(piece.chars());
    for (Token& token : tokens) {
      const auto [begin, end] = ranges.of_bytes(token.begin, token.end);
      out.push(token.id, std::move(token.text), piece.origin(begin, end), type_id, word_id);
    }
  }
  return out;
}

Encoding Tokenizer::State::encode_texts(std::vector<std::string_view> texts,
                                        const EncodeOptions& options) const {
  std::vector<Encoding> encodings;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    encodings.push_back(encode_text(texts[i], static_cast<std::uint32_t>(i)));
  }
  if (options.truncation) {
    Truncation truncation = *options.truncation;
    const bool adds = options.add_special_tokens && post_processor != nullptr;
    const std::size_t added = adds ? post_processor->added_count(texts.size() == 2) : 0;
    if (truncation.max_length < added) {
      throw core::Error(core::ErrorCode::kRuntime, "truncation to " + std::to_string(truncation.max_length) +
                                                       " tokens leaves no room for the " +
                                                       std::to_string(added) +
                                                       " special tokens; raise max_length");
    }
    truncation.max_length -= added;
    truncate(encodings[0], texts.size() == 2 ? &encodings[1] : nullptr, truncation);
  }
  return post_process(post_processor.get(), std::move(encodings), options.add_special_tokens);
}

std::optional<std::uint32_t> Tokenizer::State::id_of(std::string_view token) const {
  if (const AddedToken* added = added_tokens.by_content(token)) return added->id;
  return model->vocabulary().id_of(token);
}

const std::string* Tokenizer::State::token_of(std::uint32_t id) const {
  if (const AddedToken* added = added_tokens.by_id(id)) return &added->content;
  return model->vocabulary().token_of(id);
}

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Encoding Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  EncodeOptions options = state_->file_options;
  options.add_special_tokens = add_special_tokens;
  return encode(text, options);
}

Encoding Tokenizer::encode_pair(std::string_view first, std::string_view second,
                                bool add_special_tokens) const {
  EncodeOptions options = state_->file_options;
  options.add_special_tokens = add_special_tokens;
  return encode_pair(first, second, options);
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const std::string one(text);
  return std::move(encode_batch(std::span(&one, 1), options).front());
}

Encoding Tokenizer::encode_pair(std::string_view first, std::string_view second,
                                const EncodeOptions& options) const {
  if (second.empty()) return encode(first, options);
  std::vector<Encoding> batch{state_->encode_texts({first, second}, options)};
  if (options.padding) pad(batch, *options.padding);
  return std::move(batch.front());
}

std::vector<Encoding> Tokenizer::encode_batch(std::span<const std::string> texts,
                                              const EncodeOptions& options) const {
  std::vector<Encoding> batch;
  for (const std::string& text : texts) batch.push_back(state_->encode_texts({text}, options));
  if (options.padding) pad(batch, *options.padding);
  if (state_->post_processor) return batch;
  // Without a processor the reference counts padding to the text.
  for (Encoding& e : batch) e.set_sequence_id(0);
  return batch;
}

const EncodeOptions& Tokenizer::file_options() const { return state_->file_options; }

std::optional<Padding> Tokenizer::default_padding() const {
  const auto id = special_id("pad_token");
  if (!id) return std::nullopt;
  Padding padding;
  padding.id = *id;
  padding.token = state_->config.special.at("pad_token").content;
  padding.side = padding_side();
  return padding;
}

std::optional<std::size_t> Tokenizer::model_max_length() const { return state_->config.model_max_length; }

Side Tokenizer::padding_side() const { return state_->config.pads_on_left ? Side::kLeft : Side::kRight; }

Side Tokenizer::truncation_side() const {
  return state_->config.truncates_on_left ? Side::kLeft : Side::kRight;
}

bool Tokenizer::marks_subwords() const { return !state_->model->continuing_subword_prefix().empty(); }

std::string Tokenizer::decode(std::span<const std::uint32_t> ids, bool skip_special_tokens,
                              std::optional<bool> clean_up_tokenization_spaces) const {
  std::vector<std::string> tokens;
  for (const std::uint32_t id : ids) {
    const std::string* token = state_->token_of(id);
    if (token == nullptr || (skip_special_tokens && state_->added_tokens.is_special(*token))) continue;
    tokens.push_back(*token);
  }
  const DecodeRule rule = state_->config.decode_rule();
  const bool parted = rule == DecodeRule::kMarian || rule == DecodeRule::kSiglip;
  std::string text =
      parted ? join_parted(tokens, rule == DecodeRule::kMarian) : join_tokens(std::move(tokens));
  if (rule == DecodeRule::kClip) {
    replace_all(text, state_->end_of_word_suffix, " ");
    text = stripped(text);
  }
  if (clean_up_tokenization_spaces.value_or(clean_up_by_default())) clean_up(text);
  return rule == DecodeRule::kWhisper ? without_time_stamps(text) : text;
}

std::string Tokenizer::decode(std::span<const std::int64_t> ids, bool skip_special_tokens,
                              std::optional<bool> clean_up_tokenization_spaces) const {
  std::vector<std::uint32_t> known;
  for (const std::int64_t id : ids) {
    if (id >= 0 && id <= 0xFFFFFFFF) known.push_back(static_cast<std::uint32_t>(id));
  }
  return decode(std::span<const std::uint32_t>(known), skip_special_tokens, clean_up_tokenization_spaces);
}

std::string Tokenizer::join_parted(const std::vector<std::string>& tokens, bool space_behind) const {
  std::string text;
  std::vector<std::string> part;
  bool after_special = false;
  for (const std::string& token : tokens) {
    const bool special = state_->added_tokens.is_special(token);
    if (!special) part.push_back(token);
    if (special) {
      if (!space_behind && !after_special) text += ' ';
      text += join_tokens(std::exchange(part, {})) + token;
      if (space_behind) text += ' ';
    }
    after_special = special;
  }
  return stripped(text + join_tokens(std::move(part)));
}

std::string Tokenizer::join_tokens(std::vector<std::string> tokens) const {
  const std::string_view separator = state_->decoder ? "" : " ";
  if (state_->decoder) tokens = state_->decoder->decode(std::move(tokens));
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) text.append(i > 0 ? separator : "").append(tokens[i]);
  return text;
}

std::optional<std::uint32_t> Tokenizer::id_of(std::string_view token) const { return state_->id_of(token); }

std::optional<std::string> Tokenizer::token_of(std::uint32_t id) const {
  const std::string* token = state_->token_of(id);
  if (token == nullptr) return std::nullopt;
  return *token;
}

bool Tokenizer::is_special(std::uint32_t id) const {
  const AddedToken* token = state_->added_tokens.by_id(id);
  return token != nullptr && token->special;
}

std::optional<std::uint32_t> Tokenizer::special_id(std::string_view role) const {
  const auto it = state_->config.special.find(std::string(role));
  if (it == state_->config.special.end()) return std::nullopt;
  return state_->id_of(it->second.content);
}

bool Tokenizer::clean_up_by_default() const { return state_->config.clean_up_tokenization_spaces; }

std::size_t Tokenizer::vocab_size() const {
  std::size_t size = state_->model->vocabulary().size();
  for (const AddedToken& token : state_->added_tokens.all()) {
    if (!state_->model->vocabulary().id_of(token.content)) ++size;
  }
  return size;
}

}  // namespace vulcap::tokenizer
