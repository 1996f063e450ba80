// Texts -> the outputs of a graph that reads token ids (BERT and its relatives), fed as the pipelines of
// transformers 4.57 feed their models.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/families/model_folder.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/session/session.h"

namespace vulcap::loader {

// What a graph must be to serve a task: it takes input_ids and, as far as it declares them, attention_mask,
// token_type_ids and position_ids, i32 or i64 each, and has these outputs.
struct TextGraph {
  std::string name;                                     // for errors: "text classifier"
  std::vector<std::pair<std::string, size_t>> outputs;  // name and rank
  bool choices = false;  // input_ids i[batch, choices, length], else i[batch, length]

  Role role() const;
};

// Arguments of a call of a transformers tokenizer.
struct TokenizeOptions {
  std::optional<tokenizer::TruncationStrategy> truncation;  // none: texts stay whole
  std::optional<size_t> max_length;  // special tokens included; none: the tokenizer's model_max_length
  std::optional<size_t> stride;  // all windows of a long text, which share so many tokens; none: the first
  bool pad_to_max_length = false;
};

// "true" and "longest_first", "only_first", "only_second"; "false" and "do_not_truncate" give none. Throws
// core::Error(kUsage).
std::optional<tokenizer::TruncationStrategy> truncation_named(std::string_view name);

// One output of one text, without the batch axis.
struct TextOutput {
  core::Shape shape;
  std::vector<float> values;
};

struct TextRow {
  tokenizer::Encoding encoding;  // as fed, padding included
  std::map<std::string, TextOutput> outputs;

  const TextOutput& output(const std::string& name) const { return outputs.at(name); }
  // An output with an entry a token. Throws core::Error(kInvalidModel) where it has another length.
  const TextOutput& token_output(const std::string& name) const;
};

class TextEncoder {
 public:
  // Throws core::Error(kInvalidModel) where the folder has no such graph or no usable tokenizer.
  TextEncoder(const ModelFiles& files, const TextGraph& graph, session::Device& device,
              const LoadOptions& options);

  const tokenizer::Tokenizer& tokenizer() const { return tokenizer_; }
  const nlohmann::json& config() const { return config_; }
  // "<folder>/config.json", for errors.
  std::string config_path() const;

  // One or two texts as tokens: the first window and, where truncation has a stride, the others.
  std::vector<tokenizer::Encoding> encode(const std::string& text, const std::string& pair,
                                          const TokenizeOptions& options) const;
  // Pads to the longest with the tokenizer's pad token and side. Throws core::Error(kRuntime) where it is
  // needed and there is no pad token.
  void pad(std::vector<tokenizer::Encoding>& rows) const;
  // Runs `batch_size` rows at a time, each batch padded to its longest row (1, the default of the pipelines:
  // nothing is padded). Throws core::Error(kRuntime) for a row longer than the model's table of positions.
  std::vector<TextRow> run(std::vector<tokenizer::Encoding> rows, size_t batch_size = 1);
  // Runs all rows as the choices of one question; outputs lack the batch axis.
  std::map<std::string, TextOutput> run_choices(std::vector<tokenizer::Encoding> rows);

  std::vector<std::string> description() const { return {description_}; }
  std::vector<std::string> warnings() const { return warnings_; }
  // In the plans of the last run.
  Fallbacks fallbacks() const { return count_fallbacks(session_->plans()); }

 private:
  session::NamedTensors feeds(const std::vector<tokenizer::Encoding>& rows) const;
  core::Tensor feed(const graph::Value& input, const std::vector<tokenizer::Encoding>& rows) const;
  std::vector<int64_t> positions_of(const tokenizer::Encoding& row) const;
  void check_length(const tokenizer::Encoding& row) const;

  TextGraph graph_;
  nlohmann::json config_;
  std::filesystem::path dir_;
  tokenizer::Tokenizer tokenizer_;
  std::unique_ptr<session::Session> session_;
  int64_t first_position_ = 0;        // of a text; RoBERTa counts from behind the pad token's id
  std::optional<int64_t> positions_;  // tokens that the table of positions has room for; none: no table
  bool one_segment_ = false;          // the model knows one kind of token_type_ids, 0
  std::string description_;
  std::vector<std::string> warnings_;
};

// What every task over a TextEncoder tells its user.
class TextTask {
 public:
  virtual ~TextTask() = default;
  std::vector<std::string> description() const { return encoder_.description(); }
  virtual std::vector<std::string> warnings() const { return encoder_.warnings(); }
  Fallbacks fallbacks() const { return encoder_.fallbacks(); }

 protected:
  TextTask(const std::filesystem::path& dir, const TextGraph& graph, session::Device& device,
           const LoadOptions& options)
      : encoder_(ModelFiles(dir, options.dtype), graph, device, options) {}

  TextEncoder encoder_;
};

}  // namespace vulcap::loader
