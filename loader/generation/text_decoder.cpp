#include "loader/generation/text_decoder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "loader/decoder_roles.h"
#include "loader/families/model_folder.h"
#include "runtime/core/error.h"
#include "runtime/ops/op_registry.h"
#include "runtime/session/grouped_decoder.h"
#include "runtime/session/uncached_decoder.h"

namespace vulcap::loader {
namespace {

using GraphAndRoles = std::pair<graph::Graph, session::DecoderRoles>;

session::DecoderRoles roles_of(const graph::Graph& graph, const OnnxFile& file,
                               const graph::Graph* first = nullptr) {
  try {
    return find_decoder_roles(graph, first);
  } catch (core::Error& error) {
    error.add_context(file.path.string());
    throw;
  }
}

bool has_encoder_cache(const graph::Graph& graph) {
  for (graph::ValueId id : graph.inputs) {
    const std::string& name = graph.value(id).name;
    if (name.starts_with("past") && name.find(".encoder.") != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TextDecoder::TextDecoder(session::Device& device, const DecoderFiles& files, const LoadOptions& options,
                         int64_t first_position) {
  const auto& with_past = files.merged ? files.merged : files.with_past;
  const OnnxFile& chosen = with_past ? *with_past : *files.decoder;
  description_.push_back(describe_file("decoder", chosen, options));
  if (!chosen.remark.empty()) remarks_.push_back(chosen.remark);
  const passes::PassOptions passes = passes_for(chosen, options);
  graph::Graph graph = load_graph(chosen, options);
  // A decoder that takes a past also answers for the first token: its past is then empty. Not so where that
  // past holds the encoder's keys and values, which only the first call computes.
  std::optional<GraphAndRoles> first;
  if (!files.merged && files.with_past && files.decoder && has_encoder_cache(graph)) {
    first.emplace(load_graph(*files.decoder, options), session::DecoderRoles{});
    first->second = roles_of(first->first, *files.decoder);
    description_.push_back(describe_file("first decoder", *files.decoder, options));
  }
  roles_ = roles_of(graph, chosen, first ? &first->first : nullptr);
  roles_.first_position = first_position;
  for (graph::ValueId id : graph.inputs) input_dtypes_[graph.value(id).name] = graph.value(id).dtype;
  // A with-past graph that reads the encoder's keys and values cannot score a whole sequence alone.
  const GraphAndRoles whole = first ? *first : GraphAndRoles{graph, roles_};
  make_ = [&device, whole, passes] {
    return std::make_unique<session::UncachedDecoder>(device, whole.first, whole.second, passes);
  };
  if (with_past) {
    make_uncached_ = std::exchange(make_, [&device, graph, roles = roles_, passes, first] {
      return std::make_unique<session::CachedDecoder>(device, graph, roles, passes, first);
    });
  }
  decoder_ = make_();
}

void TextDecoder::reserve(int64_t positions) {
  positions_ = std::max(positions_, positions);
  decoder_->reserve(positions_);
}

void TextDecoder::prepare(const session::EncoderOutput& states, int rows) {
  with_or_without_cache([&] { decoder_->prepare(states, rows); });
}

void TextDecoder::start(session::EncoderOutput states, std::vector<int32_t> padding) {
  states_ = std::move(states);
  first_step_ = true;
  with_or_without_cache([&] { decoder_->start(states_); });
  const bool padded = std::any_of(padding.begin(), padding.end(), [](int32_t front) { return front > 0; });
  padding_ = padded ? std::move(padding) : std::vector<int32_t>{};
  in_groups_ = padded && !decoder_->takes_padding();
  if (!in_groups_) return;
  if (!grouped_)
    remarks_.push_back(
        "the decoder's graph cannot hide padding: prompts of different lengths run in groups of equal "
        "length");
  if (!grouped_) grouped_ = std::make_unique<session::GroupedDecoder>(make_);
  grouped_->reserve(positions_);
  grouped_->start(states_);
}

std::span<const float> TextDecoder::step(const session::Tokens& tokens, int rows, int length,
                                         std::span<const int32_t> reorder) {
  if (!std::exchange(first_step_, false)) return active().step(tokens, rows, length, reorder);
  const std::vector<int32_t> padding = padding_;
  session::Tokens padded = tokens;
  padded.padding = padding;
  std::span<const float> logits;
  bool again = false;
  with_or_without_cache([&] {
    if (std::exchange(again, true)) start(states_, padding);
    first_step_ = false;
    logits = active().step(padded, rows, length, reorder);
  });
  return logits;
}

void TextDecoder::with_or_without_cache(const std::function<void()>& action) {
  try {
    action();
  } catch (const ops::NeedsStaticShape& error) {
    if (!make_uncached_) throw;
    remarks_.push_back("the decoder runs without its key/value cache, which is slow: " + error.message());
    make_ = std::exchange(make_uncached_, nullptr);
    decoder_ = make_();
    grouped_.reset();
    in_groups_ = false;
    decoder_->reserve(positions_);
    action();
  }
}

session::EncoderOutput output_of(const session::Program& program, const std::string& name) {
  const plan::External& slot = program.plan().externals[program.plan().external(name)];
  core::Shape shape;
  for (const core::Dim& dim : slot.shape) shape.push_back(dim.value());
  return {program.buffer(name), slot.dtype, std::move(shape)};
}

std::optional<std::string> vocabulary_remark(size_t tokens, const TextDecoder& decoder) {
  if (int64_t(tokens) >= decoder.vocab()) return std::nullopt;
  return "the tokenizer has " + std::to_string(tokens) + " tokens but the decoder scores " +
         std::to_string(decoder.vocab()) + "; ids beyond them have no text";
}

}  // namespace vulcap::loader
