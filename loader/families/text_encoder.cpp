#include "loader/families/text_encoder.h"

#include <algorithm>
#include <array>

#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using tokenizer::Encoding;

constexpr std::array<std::string_view, 4> kInputs = {"input_ids", "attention_mask", "token_type_ids",
                                                     "position_ids"};
// Models whose positions begin behind the pad token's id (create_position_ids_from_input_ids).
constexpr std::array<std::string_view, 9> kPositionsAfterPad = {
    "roberta",    "xlm-roberta",   "xlm-roberta-xl", "roberta-prelayernorm", "camembert", "mpnet",
    "longformer", "data2vec-text", "ibert"};

template <size_t n>
bool contains(const std::array<std::string_view, n>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string refusal(const onnx::GraphSignature& graph, const TextGraph& wanted) {
  const auto ids = std::find_if(graph.inputs.begin(), graph.inputs.end(),
                                [](const auto& input) { return input.name == "input_ids"; });
  if (ids == graph.inputs.end()) return "lacks the input input_ids";
  const size_t rank = wanted.choices ? 3 : 2;
  if (ids->has_shape && ids->shape.size() != rank)
    return "takes input_ids of rank " + std::to_string(ids->shape.size()) + ", not " + std::to_string(rank);
  for (const auto& input : graph.inputs) {
    if (!contains(kInputs, input.name)) return "takes the input " + input.name;
    if (input.dtype != core::DType::kI64 && input.dtype != core::DType::kI32)
      return "takes " + input.name + " as numbers other than int32 and int64";
  }
  for (const auto& [name, output_rank] : wanted.outputs) {
    const auto found = std::find_if(graph.outputs.begin(), graph.outputs.end(),
                                    [&](const auto& output) { return output.name == name; });
    if (found == graph.outputs.end()) return "lacks the output " + name;
    if (found->has_shape && found->shape.size() != output_rank)
      return "gives " + name + " of rank " + std::to_string(found->shape.size()) + ", not " +
             std::to_string(output_rank);
  }
  return "";
}

// Tokens of the longest text; none where positions are relative or rotary, so that no table ends.
std::optional<int64_t> table_of_positions(const nlohmann::json& config, int64_t first) {
  const std::string type = model_type(config);
  const bool relative = config.value("position_biased_input", nlohmann::json(true)) == false;  // DeBERTa
  if (type.ends_with("t5") || type == "xlnet" || relative) return std::nullopt;
  for (const auto& [key, value] : config.items()) {
    if (key.find("rope") != std::string::npos || key.find("rotary") != std::string::npos) return std::nullopt;
  }
  const auto table = first_integer(config, {"max_position_embeddings", "n_positions"});
  return table && *table > first ? std::optional(*table - first) : std::nullopt;
}

// Throws where a graph does not keep to the shape that it declares or that its role needs.
void check_shape(const core::Tensor& tensor, const std::string& name, size_t rank, size_t rows) {
  if (tensor.shape().size() == rank && size_t(tensor.shape()[0]) == rows) return;
  throw core::Error(core::ErrorCode::kInvalidModel,
                    "the output " + name + " has shape " + core::shape_text(tensor.shape()) + " where rank " +
                        std::to_string(rank) + " and a batch of " + std::to_string(rows) + " are expected");
}

// Row `index` of an output whose first axis is the batch.
TextOutput row_of(const core::Tensor& tensor, size_t index) {
  TextOutput row;
  row.shape.assign(tensor.shape().begin() + 1, tensor.shape().end());
  const size_t size = core::element_count(row.shape);
  if (tensor.dtype() == core::DType::kF32) {
    const auto values = tensor.as<float>().subspan(index * size, size);
    row.values.assign(values.begin(), values.end());
    return row;
  }
  row.values.resize(size);
  for (size_t i = 0; i < size; ++i) row.values[i] = float(tensor.at_f64(index * size + i));
  return row;
}

}  // namespace

Role TextGraph::role() const {
  return {name, {"model"}, [wanted = *this](const onnx::GraphSignature& graph) {
            return refusal(graph, wanted);
          }};
}

std::optional<tokenizer::TruncationStrategy> truncation_named(std::string_view name) {
  using Strategy = tokenizer::TruncationStrategy;
  if (name == "true" || name == "longest_first") return Strategy::kLongestFirst;
  if (name == "only_first") return Strategy::kOnlyFirst;
  if (name == "only_second") return Strategy::kOnlySecond;
  if (name == "false" || name == "do_not_truncate") return std::nullopt;
  throw core::Error(core::ErrorCode::kUsage,
                    "truncation is true, false, longest_first, only_first, only_second or do_not_truncate, "
                    "not '" +
                        std::string(name) + "'");
}

TextEncoder::TextEncoder(const ModelFiles& files, const TextGraph& graph, session::Device& device,
                         const LoadOptions& options)
    : graph_(graph),
      config_(read_config(files.dir())),
      dir_(files.dir()),
      tokenizer_(tokenizer::Tokenizer::load(files.dir())) {
  const OnnxFile file = files.require(graph.role());
  if (!file.remark.empty()) warnings_.push_back(file.remark);
  description_ = describe_file(graph.name, file, options);
  if (contains(kPositionsAfterPad, model_type(config_)))
    first_position_ = first_integer(config_, {"pad_token_id"}).value_or(1) + 1;
  positions_ = table_of_positions(config_, first_position_);
  one_segment_ = first_integer(config_, {"type_vocab_size"}).value_or(2) < 2;
  session_ = std::make_unique<session::Session>(device, load_graph(file, options), passes_for(file, options));
}

const TextOutput& TextRow::token_output(const std::string& name) const {
  const TextOutput& output = outputs.at(name);
  if (!output.shape.empty() && size_t(output.shape[0]) == encoding.size()) return output;
  throw core::Error(core::ErrorCode::kInvalidModel, "the output " + name + " has shape " +
                                                        core::shape_text(output.shape) + " a text where " +
                                                        std::to_string(encoding.size()) + " tokens went in");
}

std::string TextEncoder::config_path() const { return (dir_ / "config.json").string(); }

std::vector<Encoding> TextEncoder::encode(const std::string& text, const std::string& pair,
                                          const TokenizeOptions& options) const {
  const auto length = options.max_length ? options.max_length : tokenizer_.model_max_length();
  tokenizer::EncodeOptions encode;
  if (options.truncation && length)
    encode.truncation = {*length, options.stride.value_or(0), *options.truncation,
                         tokenizer_.truncation_side()};
  if (options.pad_to_max_length && length) {
    encode.padding = tokenizer_.default_padding();
    if (encode.padding) encode.padding->fixed_length = *length;
  }
  std::vector<Encoding> windows{tokenizer_.encode_pair(text, pair, encode)};
  std::vector<Encoding> others = std::move(windows[0].overflowing);
  windows[0].overflowing.clear();
  if (options.stride) std::move(others.begin(), others.end(), std::back_inserter(windows));
  return windows;
}

void TextEncoder::pad(std::vector<Encoding>& rows) const {
  const bool equal = std::all_of(rows.begin(), rows.end(),
                                 [&](const Encoding& row) { return row.size() == rows[0].size(); });
  if (equal) return;
  const auto padding = tokenizer_.default_padding();
  if (!padding) {
    throw core::Error(core::ErrorCode::kRuntime,
                      dir_.string() +
                          ": texts of unlike length cannot run together since the tokenizer has no "
                          "pad_token; run them one by one (batch size 1)");
  }
  tokenizer::pad(rows, *padding);
}

std::vector<TextRow> TextEncoder::run(std::vector<Encoding> rows, size_t batch_size) {
  std::vector<TextRow> results;
  for (size_t begin = 0; begin < rows.size(); begin += batch_size) {
    const size_t end = std::min(rows.size(), begin + batch_size);
    std::vector<Encoding> batch(std::make_move_iterator(rows.begin() + std::ptrdiff_t(begin)),
                                std::make_move_iterator(rows.begin() + std::ptrdiff_t(end)));
    pad(batch);
    const auto outputs = session_->run(feeds(batch));
    for (const auto& [name, rank] : graph_.outputs) check_shape(outputs.at(name), name, rank, batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      TextRow row;
      row.encoding = std::move(batch[i]);
      for (const auto& [name, rank] : graph_.outputs) row.outputs[name] = row_of(outputs.at(name), i);
      results.push_back(std::move(row));
    }
  }
  return results;
}

std::map<std::string, TextOutput> TextEncoder::run_choices(std::vector<Encoding> rows) {
  pad(rows);
  const auto outputs = session_->run(feeds(rows));
  std::map<std::string, TextOutput> result;
  for (const auto& [name, rank] : graph_.outputs) {
    check_shape(outputs.at(name), name, rank, 1);
    result[name] = row_of(outputs.at(name), 0);
  }
  return result;
}

session::NamedTensors TextEncoder::feeds(const std::vector<Encoding>& rows) const {
  for (const Encoding& row : rows) check_length(row);
  session::NamedTensors tensors;
  for (const graph::ValueId id : session_->graph().inputs) {
    const graph::Value& input = session_->graph().value(id);
    tensors[input.name] = feed(input, rows);
  }
  return tensors;
}

core::Tensor TextEncoder::feed(const graph::Value& input, const std::vector<Encoding>& rows) const {
  std::vector<int64_t> values;
  for (const Encoding& row : rows) {
    if (input.name == "position_ids") {
      const auto positions = positions_of(row);
      values.insert(values.end(), positions.begin(), positions.end());
      continue;
    }
    if (input.name == "token_type_ids" && one_segment_) {
      values.resize(values.size() + row.size());
      continue;
    }
    const auto& list = input.name == "input_ids"        ? row.ids
                       : input.name == "attention_mask" ? row.attention_mask
                                                        : row.type_ids;
    values.insert(values.end(), list.begin(), list.end());
  }
  core::Shape shape{int64_t(rows.size()), int64_t(rows[0].size())};
  if (graph_.choices) shape.insert(shape.begin(), 1);
  if (input.dtype == core::DType::kI64) return core::Tensor::from(core::DType::kI64, shape, values);
  return core::Tensor::from(core::DType::kI32, shape, std::vector<int32_t>(values.begin(), values.end()));
}

// Counted over the tokens that are no padding; padding keeps the position before the first.
std::vector<int64_t> TextEncoder::positions_of(const Encoding& row) const {
  std::vector<int64_t> positions;
  int64_t next = first_position_;
  for (const uint32_t mask : row.attention_mask)
    positions.push_back(mask != 0 ? next++ : std::max<int64_t>(first_position_ - 1, 0));
  return positions;
}

void TextEncoder::check_length(const Encoding& row) const {
  if (row.size() == 0) throw core::Error(core::ErrorCode::kRuntime, "the text has no tokens");
  if (!positions_ || int64_t(row.size()) <= *positions_) return;
  throw core::Error(core::ErrorCode::kRuntime, "the text has " + std::to_string(row.size()) +
                                                   " tokens, but the model has positions for " +
                                                   std::to_string(*positions_) +
                                                   "; shorten it or truncate it (max_length)");
}

}  // namespace vulcap::loader
