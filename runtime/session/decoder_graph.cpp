#include "runtime/session/decoder_graph.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/graph/prune.h"
#include "runtime/ops/op_registry.h"
#include "runtime/passes/beam_rows.h"
#include "runtime/passes/last_position.h"
#include "runtime/passes/split_prefix.h"

namespace vulcap::session {
namespace {

using core::Dim;
using core::DType;
using core::Error;
using core::ErrorCode;
using core::SymShape;

[[noreturn]] void invalid(const std::string& message) { throw Error(ErrorCode::kInvalidModel, message); }

CacheLayout declared_layout(const graph::Graph& graph, const std::string& past) {
  const graph::ValueId id = graph.find_input(past);
  if (id == graph::kNoValue) invalid("the decoder has no input '" + past + "'");
  const graph::Value& value = graph.value(id);
  const bool fixed = value.shape && value.shape->size() == 4 && (*value.shape)[1].is_constant() &&
                     (*value.shape)[3].is_constant();
  if (!fixed) {
    invalid("the decoder's input '" + past +
            "' must declare [batch, heads, length, width] with constant heads and width");
  }
  return {value.dtype, (*value.shape)[1].value(), (*value.shape)[3].value()};
}

const CacheLayout* layout_of(const std::vector<std::pair<std::string, std::string>>& entries,
                             const std::vector<CacheLayout>& layouts, const std::string& name) {
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].first == name) return &layouts[i];
  }
  return nullptr;
}

graph::Fact all_ones() {
  graph::Fact fact;
  fact.splat = 1;
  return fact;
}

// past + index along the last axis
graph::Fact counting_from(const Dim& past) {
  graph::Fact fact;
  fact.affine = graph::AffineIndex{past, {0, 1}};
  return fact;
}

// A mask in whatever dtype it has: `pattern` of zeros and ones over and over; empty: ones.
std::vector<std::byte> mask_bytes(DType dtype, uint64_t bytes, std::span<const int64_t> pattern) {
  const size_t width = core::dtype_bytes(dtype, 1);
  uint64_t one = 1;
  if (dtype == DType::kF32) one = 0x3f800000;
  if (dtype == DType::kF16) one = core::float_to_half(1.0f);
  std::vector<std::byte> result(bytes);
  for (size_t i = 0; (i + 1) * width <= bytes; ++i) {
    if (pattern.empty() || pattern[i % pattern.size()] != 0)
      std::copy_n(reinterpret_cast<const std::byte*>(&one), width, result.data() + i * width);
  }
  return result;
}

const plan::External* find_external(const Program& program, const std::string& name) {
  const auto& externals = program.plan().externals;
  const auto found = std::find_if(externals.begin(), externals.end(), [&](const plan::External& slot) {
    return slot.is_input && slot.name == name;
  });
  return found == externals.end() ? nullptr : &*found;
}

}  // namespace

int64_t declared_vocab(const graph::Graph& graph, const std::string& logits) {
  for (graph::ValueId out : graph.outputs) {
    const graph::Value& value = graph.value(out);
    if (value.name != logits) continue;
    if (value.shape && value.shape->size() == 3 && value.shape->back().is_constant())
      return value.shape->back().value();
  }
  invalid("the decoder's output '" + logits +
          "' must declare [batch, length, vocabulary] with a constant vocabulary");
}

DecoderGraph::DecoderGraph(graph::Graph graph, DecoderRoles roles, passes::PassOptions options)
    : graph_(std::move(graph)), roles_(std::move(roles)), options_(std::move(options)) {
  for (const auto& entry : roles_.cache) layouts_.push_back(declared_layout(graph_, entry.first));
  for (const auto& entry : roles_.encoder_cache)
    encoder_layouts_.push_back(declared_layout(graph_, entry.first));
  vocab_ = declared_vocab(graph_, roles_.logits);
  const graph::ValueId tokens = graph_.find_input(roles_.ids.empty() ? roles_.embeds : roles_.ids);
  const bool declared = tokens != graph::kNoValue && graph_.value(tokens).shape &&
                        graph_.value(tokens).shape->size() >= 2 && (*graph_.value(tokens).shape)[1] == Dim(1);
  steps_by_token_ = declared || !roles_.use_cache.empty();
}

passes::InputSpec DecoderGraph::spec(const graph::Value& input, const CallSizes& sizes,
                                     bool use_cache) const {
  const std::string& name = input.name;
  const Dim rows(sizes.rows), length(sizes.length);
  const auto images = [&](size_t axis) { return Dim(sizes.states.empty() ? 1 : sizes.states.at(axis)); };
  if (name == roles_.ids) return {{rows, length}, {}, 0, {}};
  if (name == roles_.embeds) {
    if (!input.shape || input.shape->size() != 3 || !input.shape->back().is_constant())
      invalid("the decoder's input '" + name + "' must declare [batch, length, width] with a constant width");
    return {{rows, length, input.shape->back()}, {}, 0, {}};
  }
  if (name == roles_.states) return {SymShape(sizes.states.begin(), sizes.states.end()), {}, 0, {}};
  if (name == roles_.states_mask)
    return {{images(0), images(1)}, {}, 0, sizes.states_masked ? graph::Fact{} : all_ones()};
  if (name == roles_.mask) return {{rows, sizes.past + length}, {}, 0, all_ones()};
  if (name == roles_.positions && roles_.position_planes > 0)
    return {{Dim(roles_.position_planes), rows, length}, {}, 0, {}};
  if (name == roles_.positions)
    return {{rows, length},
            {},
            0,
            sizes.padded ? graph::Fact{} : counting_from(sizes.past + Dim(roles_.first_position))};
  if (name == roles_.cache_position) return {{length}, {}, 0, counting_from(sizes.past)};
  if (name == roles_.logits_kept) {
    const core::Shape shape(input.shape ? input.shape->size() : 0, 1);
    return {
        SymShape(shape.begin(), shape.end()), core::Tensor::from<int64_t>(DType::kI64, shape, {1}), 0, {}};
  }
  if (name == roles_.use_cache)
    return {{Dim(1)}, core::Tensor::from<uint8_t>(DType::kBool, {1}, {uint8_t(use_cache)}), 0, {}};
  if (const CacheLayout* cached = layout_of(roles_.cache, layouts_, name))
    return {{rows, Dim(cached->heads), sizes.past, Dim(cached->width)}, {}, sizes.capacity, {}};
  if (const CacheLayout* cached = layout_of(roles_.encoder_cache, encoder_layouts_, name))
    return {{images(0), Dim(cached->heads), images(1), Dim(cached->width)}, {}, 0, {}};
  invalid("the decoder's input '" + name + "' has no known role");
}

graph::Graph DecoderGraph::bind_sizes(const CallSizes& sizes, bool use_cache) const {
  std::map<std::string, passes::InputSpec> specs;
  for (graph::ValueId id : graph_.inputs)
    specs[graph_.value(id).name] = spec(graph_.value(id), sizes, use_cache);
  return passes::specialise(graph_, specs);
}

graph::Graph DecoderGraph::specialise(const CallSizes& sizes, bool use_cache) const {
  graph::Graph call = bind_sizes(sizes, use_cache);
  // The encoder's keys and values are kept from the first call; what later calls return for them is a dummy.
  std::erase_if(call.outputs, [&](graph::ValueId out) {
    const std::string& name = call.value(out).name;
    return std::any_of(roles_.encoder_cache.begin(), roles_.encoder_cache.end(),
                       [&](const auto& entry) { return entry.second == name; });
  });
  graph::remove_dead_nodes(call);
  passes::run_passes(call, options_);
  if (!use_cache && sizes.split_prefix) passes::split_prefix(call, invariant_inputs());
  passes::keep_last_position(call, roles_.logits);
  graph::drop_unread_inputs(call);
  return call;
}

graph::Graph DecoderGraph::first_call(const core::Shape& states,
                                      const std::vector<std::string>& outputs) const {
  CallSizes sizes;
  sizes.states = states;
  sizes.rows = int(states.at(0));
  sizes.states_masked = true;
  graph::Graph call = bind_sizes(sizes, false);
  std::erase_if(call.outputs, [&](graph::ValueId out) {
    return std::find(outputs.begin(), outputs.end(), call.value(out).name) == outputs.end();
  });
  graph::remove_dead_nodes(call);
  passes::run_passes(call, options_);
  graph::drop_unread_inputs(call);
  return call;
}

std::vector<std::string> DecoderGraph::invariant_inputs() const {
  std::vector<std::string> names{roles_.states, roles_.states_mask};
  for (const auto& entry : roles_.encoder_cache) names.push_back(entry.first);
  return names;
}

void DecoderGraph::fill_masks(Program& program, std::span<const int64_t> states_mask) const {
  const auto fill = [&](const std::string& name, std::span<const int64_t> pattern) {
    const plan::External* slot = name.empty() ? nullptr : find_external(program, name);
    if (slot != nullptr) program.write(name, mask_bytes(slot->dtype, slot->bytes, pattern));
  };
  fill(roles_.mask, {});
  fill(roles_.states_mask, states_mask);
}

void read_last_logits(const Program& program, const std::string& name, int rows, int64_t vocab,
                      std::vector<float>& logits) {
  const plan::External& slot = program.plan().externals[program.plan().external(name)];
  if (slot.shape.size() != 3 || !(slot.shape.back() == Dim(vocab)))
    invalid("the decoder's logits have another width than declared: " + core::shape_text(slot.shape));
  const size_t width = core::dtype_bytes(slot.dtype, size_t(vocab));
  const int64_t kept = slot.shape[1].value();
  std::vector<uint16_t> halves(slot.dtype == DType::kF16 ? size_t(vocab) : 0);
  logits.resize(size_t(vocab * rows));
  for (int row = 0; row < rows; ++row) {
    const size_t from = (size_t(row) * size_t(kept) + size_t(kept) - 1) * width;
    const std::span<float> to(logits.data() + size_t(row) * size_t(vocab), size_t(vocab));
    if (slot.dtype == DType::kF32) {
      program.read(name, std::as_writable_bytes(to), from);
    } else if (slot.dtype == DType::kF16) {
      program.read(name, std::as_writable_bytes(std::span(halves)), from);
      std::transform(halves.begin(), halves.end(), to.begin(), core::half_to_float);
    } else {
      invalid("the decoder's logits are " + std::string(core::dtype_name(slot.dtype)) + ", not f32 or f16");
    }
  }
}

namespace {

void write_integers(Program& program, const plan::External& slot, const std::vector<int64_t>& values) {
  if (slot.dtype == DType::kI64) {
    program.write(slot.name, std::as_bytes(std::span(values)));
  } else if (slot.dtype == DType::kI32) {
    const std::vector<int32_t> narrow(values.begin(), values.end());
    program.write(slot.name, std::as_bytes(std::span(narrow)));
  } else {
    invalid("the decoder's " + slot.name + " must be int64 or int32");
  }
}

}  // namespace

void write_positions(Program& program, const std::string& name, int rows, int length, int64_t past,
                     std::span<const int32_t> padding) {
  const plan::External* slot = name.empty() ? nullptr : find_external(program, name);
  if (slot == nullptr) return;
  std::vector<int64_t> ids;
  for (int row = 0; row < rows; ++row) {
    const int64_t first = past - (padding.empty() ? 0 : padding[size_t(row)]);
    for (int i = 0; i < length; ++i) ids.push_back(std::max<int64_t>(0, first + i));
  }
  write_integers(program, *slot, ids);
}

void write_images(Program& program, std::span<const int32_t> image_of_row) {
  for (const std::string_view name : {passes::kImageRows, passes::kImageOfRow}) {
    const plan::External* slot = find_external(program, std::string(name));
    if (slot == nullptr) continue;
    std::vector<int32_t> table;
    const size_t width = slot->bytes / sizeof(int32_t) / image_of_row.size();
    for (const int32_t image : image_of_row) table.insert(table.end(), width, image);
    program.write(slot->name, std::as_bytes(std::span(table)));
  }
}

void write_positions(Program& program, const DecoderRoles& roles, int rows,
                     std::span<const int64_t> positions) {
  const plan::External* slot = find_external(program, roles.positions);
  if (slot == nullptr) return;
  const size_t length = positions.size() / size_t(roles.position_planes);
  std::vector<int64_t> ids;
  for (size_t plane = 0; plane < size_t(roles.position_planes); ++plane) {
    const auto own = positions.subspan(plane * length, length);
    for (int row = 0; row < rows; ++row) ids.insert(ids.end(), own.begin(), own.end());
  }
  write_integers(program, *slot, ids);
}

}  // namespace vulcap::session
