// Text encoders with what sentence-transformers 5.1 puts behind them (modules.json): pooling, a dense layer,
// normalisation, prompts. A folder without modules.json is pooled by the mean of its tokens, as
// sentence-transformers does, with a warning; a graph that gives sentence_embedding holds all of this itself.
#include <algorithm>
#include <numeric>

#include "loader/embeddings/sentence_config.h"
#include "loader/families/embedders.h"
#include "loader/families/text_encoder.h"
#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

constexpr size_t kTextsAtOnce = 32;
// Where each text of a kind looks for its prompt when none is named.
constexpr const char* kQueryPrompts[] = {"query"};
constexpr const char* kDocumentPrompts[] = {"document", "passage", "corpus"};

TextGraph token_graph(const char* output) {
  return {std::string("text encoder (input_ids -> ") + output + ")", {{output, 3}}};
}

TextGraph sentence_graph() {
  return {"sentence encoder (input_ids -> sentence_embedding)", {{"sentence_embedding", 2}}};
}

// With modules.json its modules follow the tokens' vectors. Without it, or without these vectors, a
// sentence's vector is taken as the graph gives it.
TextGraph choose_graph(const ModelFiles& files, const SentenceConfig& config) {
  const TextGraph whole = sentence_graph();
  const TextGraph tokens = token_graph("token_embeddings");
  const TextGraph hidden = token_graph("last_hidden_state");
  const auto has = [&](const TextGraph& graph) { return files.find(graph.role()).has_value(); };
  if (!config.has_modules && has(whole)) return whole;
  if (has(tokens)) return tokens;
  return has(hidden) || !has(whole) ? hidden : whole;
}

class SentenceTransformer : public Embedder {
 public:
  SentenceTransformer(const std::filesystem::path& dir, SentenceConfig config, session::Device& device,
                      const LoadOptions& options)
      : SentenceTransformer(ModelFiles(graph_dir(dir, config), options.dtype, options.file),
                            std::move(config), device, options) {}

  std::vector<Embedding> embed_texts(std::span<const std::string> texts, const TextOptions& options) override;
  Embedding embed_image(const image::Image&) override {
    throw core::Error(core::ErrorCode::kUsage, "the model embeds text, not images");
  }
  Similarity similarity() const override { return config_.similarity; }
  std::vector<std::string> description() const override { return encoder_.description(); }
  std::vector<std::string> warnings() const override;
  Fallbacks fallbacks() const override { return encoder_.fallbacks(); }

 private:
  SentenceTransformer(const ModelFiles& files, SentenceConfig config, session::Device& device,
                      const LoadOptions& options);
  static std::filesystem::path graph_dir(const std::filesystem::path& dir, const SentenceConfig& config);

  std::optional<size_t> max_length() const;
  std::string prompt_for(const TextOptions& options) const;
  std::string prepared(const std::string& text) const;
  tokenizer::Encoding encode(const std::string& text);
  int64_t tokens_of_prompt(const std::string& prompt);
  Embedding finish(const TextRow& row, int64_t prompt_length) const;
  void warn(const std::string& warning);

  SentenceConfig config_;
  TextGraph graph_;
  TextEncoder encoder_;
  std::vector<std::string> remarks_;
};

// Old folders keep the transformer in a folder of its own.
std::filesystem::path SentenceTransformer::graph_dir(const std::filesystem::path& dir,
                                                     const SentenceConfig& config) {
  return std::filesystem::is_directory(config.transformer_dir) ? config.transformer_dir : dir;
}

SentenceTransformer::SentenceTransformer(const ModelFiles& files, SentenceConfig config,
                                         session::Device& device, const LoadOptions& options)
    : config_(std::move(config)),
      graph_(choose_graph(files, config_)),
      encoder_(files, graph_, device, options) {
  remarks_ = config_.warnings;
  if (!config_.has_modules && graph_.outputs[0].first != "sentence_embedding") {
    remarks_.push_back(files.dir().string() +
                       ": no modules.json, so a text's embedding is the mean of its tokens, not normalised");
  }
}

void SentenceTransformer::warn(const std::string& warning) {
  if (std::find(remarks_.begin(), remarks_.end(), warning) == remarks_.end()) remarks_.push_back(warning);
}

std::vector<std::string> SentenceTransformer::warnings() const {
  std::vector<std::string> all = encoder_.warnings();
  all.insert(all.end(), remarks_.begin(), remarks_.end());
  return all;
}

// What sentence_bert_config.json states, else the smaller of the model's positions and the tokenizer's limit.
std::optional<size_t> SentenceTransformer::max_length() const {
  if (config_.max_seq_length) return size_t(*config_.max_seq_length);
  const auto positions = first_integer(encoder_.config(), {"max_position_embeddings"});
  const auto stated = encoder_.tokenizer().model_max_length();
  if (positions && stated) return std::min(size_t(*positions), *stated);
  return positions ? std::optional(size_t(*positions)) : stated;
}

std::string SentenceTransformer::prompt_for(const TextOptions& options) const {
  if (options.prompt) return *options.prompt;
  std::optional<std::string> name = options.prompt_name;
  const auto choose = [&](const auto& names) {
    for (const char* candidate : names) {
      if (!name && config_.prompts.count(candidate)) name = candidate;
    }
  };
  if (options.kind == TextKind::kQuery) choose(kQueryPrompts);
  if (options.kind == TextKind::kDocument) choose(kDocumentPrompts);
  if (!name) name = config_.default_prompt_name;
  if (!name) return "";
  const auto found = config_.prompts.find(*name);
  if (found != config_.prompts.end()) return found->second;
  std::string known;
  for (const auto& [key, text] : config_.prompts) known += (known.empty() ? "" : ", ") + key;
  throw core::Error(core::ErrorCode::kUsage,
                    "the model knows no prompt '" + *name + "'; its prompts are " + known);
}

std::string SentenceTransformer::prepared(const std::string& text) const {
  const std::string words = tokenizer::stripped(text);
  if (!config_.do_lower_case) return words;
  std::u32string lower;
  for (const char32_t c : tokenizer::to_code_points(words)) lower += tokenizer::to_lower(c);
  return tokenizer::to_utf8(lower);
}

tokenizer::Encoding SentenceTransformer::encode(const std::string& text) {
  tokenizer::EncodeOptions options;
  if (const auto length = max_length()) {
    options.truncation = tokenizer::Truncation{*length};
    options.truncation->side = encoder_.tokenizer().truncation_side();
  }
  tokenizer::Encoding encoding = encoder_.tokenizer().encode(prepared(text), options);
  if (!encoding.overflowing.empty()) {
    encoding.overflowing.clear();
    warn("a text is longer than the " + std::to_string(options.truncation->max_length) +
         " tokens that the model reads; the rest of it is left out");
  }
  return encoding;
}

// Special tokens before it included, those behind it not.
int64_t SentenceTransformer::tokens_of_prompt(const std::string& prompt) {
  if (prompt.empty()) return 0;
  const tokenizer::Encoding encoding = encode(prompt);
  const bool ends_special = !encoding.ids.empty() && encoder_.tokenizer().is_special(encoding.ids.back());
  return int64_t(encoding.size()) - (ends_special ? 1 : 0);
}

Embedding SentenceTransformer::finish(const TextRow& row, int64_t prompt_length) const {
  const TextOutput& output = row.output(graph_.outputs[0].first);
  const std::vector<int64_t> mask(row.encoding.attention_mask.begin(), row.encoding.attention_mask.end());
  Embedding embedding{output.values, 1, int64_t(output.values.size()), {}};
  const bool is_whole = output.shape.size() == 1;
  for (const SentenceModule& module : is_whole ? std::vector<SentenceModule>{} : config_.modules) {
    if (const auto* pooling = std::get_if<PoolingConfig>(&module)) {
      embedding.values = pool(output.values, mask, prompt_length, *pooling);
    } else if (const auto* dense = std::get_if<Dense>(&module)) {
      embedding.values = apply_dense(*dense, embedding.values);
    }
    embedding.width = int64_t(embedding.values.size());
    if (std::holds_alternative<NormalizeModule>(module)) normalize_rows(embedding);
  }
  for (size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] != 0) embedding.ids.push_back(row.encoding.ids[i]);
  }
  return embedding;
}

// As sentence-transformers: the longest texts first, so that texts of one batch are alike in length.
std::vector<Embedding> SentenceTransformer::embed_texts(std::span<const std::string> texts,
                                                        const TextOptions& options) {
  const std::string prompt = prompt_for(options);
  const int64_t prompt_length = tokens_of_prompt(prompt);
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return texts[a].size() > texts[b].size(); });
  std::vector<tokenizer::Encoding> rows;
  for (const size_t i : order) rows.push_back(encode(prompt + texts[i]));
  std::vector<Embedding> embeddings(texts.size());
  const std::vector<TextRow> results = encoder_.run(std::move(rows), kTextsAtOnce);
  for (size_t i = 0; i < order.size(); ++i) embeddings[order[i]] = finish(results[i], prompt_length);
  return embeddings;
}

}  // namespace

std::unique_ptr<Embedder> load_sentence_transformer(const std::filesystem::path& dir, session::Device& device,
                                                    const LoadOptions& options) {
  return std::make_unique<SentenceTransformer>(dir, read_sentence_config(dir), device, options);
}

}  // namespace vulcap::loader
