// Decoders of every kind of interface against their own graph run over whole sequences: ids or embeddings,
// with and without cross-attention, caches of the encoder, masks, positions, rotary heads shared by several
// queries, and no cache at all.
#include <gtest/gtest.h>

#include <optional>

#include "loader/decoder_roles.h"
#include "loader/onnx/import.h"
#include "runtime/ops/op_registry.h"
#include "runtime/session/uncached_decoder.h"
#include "tests/session/tensors.h"

namespace vulcap::session {
namespace {

constexpr int64_t kPositions = 9;  // of the encoder, where the graph leaves them open
constexpr double kTolerance = 2e-4;

graph::Graph load(const std::string& stem) {
  return onnx::load_graph(std::string(VULCAP_TEST_DATA) + "/decoders/" + stem + ".onnx");
}

struct Kind {
  const char* name;
  const char* graph;
  const char* first;  // the graph of the first call, beside one that takes a past; "" when there is none
  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

int64_t fixed_or(const graph::Value& value, size_t axis, int64_t open) {
  const core::Dim& dim = (*value.shape)[axis];
  return dim.is_constant() ? dim.value() : open;
}

core::Tensor ones(const core::Shape& shape) {
  return core::Tensor::from<int64_t>(core::DType::kI64, shape,
                                     std::vector<int64_t>(core::element_count(shape), 1));
}

core::Tensor counting(int64_t count) {
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < count; ++i) numbers.push_back(i);
  return core::Tensor::from<int64_t>(core::DType::kI64, {1, count}, numbers);
}

class DecoderKinds : public testing::TestWithParam<Kind> {
 protected:
  DecoderKinds() : graph_(load(GetParam().graph)) {
    if (*GetParam().first != '\0') first_ = load(GetParam().first);
    roles_ = loader::find_decoder_roles(graph_, first_ ? &*first_ : nullptr);
    const graph::Graph& whole = first_ ? *first_ : graph_;
    const DecoderRoles whole_roles = loader::find_decoder_roles(whole);
    if (!whole_roles.states.empty()) {
      const graph::Value& value = whole.value(whole.find_input(whole_roles.states));
      states_ = test::random_tensor(core::DType::kF32,
                                    {1, fixed_or(value, 1, kPositions), fixed_or(value, 2, 0)}, 3);
    }
    whole_.emplace(test::cpu_device(), whole);
    whole_roles_ = whole_roles;
  }

  // Tokens [first, first + length): ids, or embeddings drawn for each position.
  core::Tensor tokens(int first, int length, const DecoderRoles& roles, const graph::Graph& graph) const {
    if (!roles.ids.empty()) {
      std::vector<int64_t> ids;
      for (int i = first; i < first + length; ++i) ids.push_back((i * 7 + 3) % 40);
      return core::Tensor::from<int64_t>(core::DType::kI64, {1, length}, ids);
    }
    const int64_t width = fixed_or(graph.value(graph.find_input(roles.embeds)), 2, 0);
    core::Tensor tensor(core::DType::kF32, {1, length, width});
    for (int i = 0; i < length; ++i) {
      const core::Tensor one = test::random_tensor(core::DType::kF32, {width}, uint32_t(100 + first + i));
      std::copy(one.bytes().begin(), one.bytes().end(),
                tensor.mutable_bytes().begin() + i * int64_t(one.bytes().size()));
    }
    return tensor;
  }

  std::vector<float> last_logits_of_whole(int length) {
    NamedTensors inputs;
    const graph::Graph& graph = whole_->graph();
    for (graph::ValueId id : graph.inputs) {
      const graph::Value& value = graph.value(id);
      const std::string& name = value.name;
      if (name == whole_roles_.ids || name == whole_roles_.embeds) {
        inputs[name] = tokens(0, length, whole_roles_, graph);
      } else if (name == whole_roles_.states) {
        inputs[name] = states_;
      } else if (name == whole_roles_.states_mask) {
        inputs[name] = ones({1, states_.shape()[1]});
      } else if (name == whole_roles_.mask) {
        inputs[name] = ones({1, length});
      } else if (name == whole_roles_.positions) {
        inputs[name] = counting(length);
      } else if (name == whole_roles_.cache_position) {
        inputs[name] = counting(length).reshaped({length});
      } else if (name == whole_roles_.use_cache) {
        inputs[name] = core::Tensor(core::DType::kBool, {1});
      } else {
        inputs[name] = core::Tensor(value.dtype, {1, fixed_or(value, 1, 0), 0, fixed_or(value, 3, 0)});
      }
    }
    const core::Tensor logits = whole_->run(inputs).at("logits");
    const auto all = logits.as<float>();
    return {all.end() - logits.shape()[2], all.end()};
  }

  EncoderOutput encoder_output() const {
    if (states_.size() == 0) return {};
    auto buffer = test::cpu_device().backend().allocate(states_.bytes().size(), "states");
    buffer->write(0, states_.bytes());
    return {buffer, states_.dtype(), states_.shape()};
  }

  std::unique_ptr<Decoder> decoder() const {
    if (roles_.cache.empty()) return std::make_unique<UncachedDecoder>(test::cpu_device(), graph_, roles_);
    std::optional<std::pair<graph::Graph, DecoderRoles>> first;
    if (first_) first.emplace(*first_, whole_roles_);
    return std::make_unique<CachedDecoder>(test::cpu_device(), graph_, roles_, passes::PassOptions{}, first);
  }

  std::span<const float> step(Decoder& decoder, int first, int length) const {
    const core::Tensor given = tokens(first, length, roles_, graph_);
    if (roles_.ids.empty()) return decoder.step(given, 1, length, {});
    return decoder.step(given.as<int64_t>(), 1, length, {});
  }

  void expect_whole_sequence(std::span<const float> got, int length, const std::string& what) {
    const auto want = last_logits_of_whole(length);
    ASSERT_EQ(got.size(), want.size()) << what;
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], want[i], kTolerance + kTolerance * std::abs(want[i])) << what << ", token " << i;
  }

  graph::Graph graph_;
  std::optional<graph::Graph> first_;
  DecoderRoles roles_, whole_roles_;
  core::Tensor states_;
  std::optional<Session> whole_;
};

TEST_P(DecoderKinds, StepsGiveTheLogitsOfTheWholeSequence) {
  const auto model = decoder();
  model->reserve(20);
  const EncoderOutput states = encoder_output();
  for (const int prompt : {1, 4}) {
    model->start(states);
    expect_whole_sequence(step(*model, 0, prompt), prompt, "prompt of " + std::to_string(prompt));
    for (int at = prompt; at < prompt + 4; ++at)
      expect_whole_sequence(step(*model, at, 1), at + 1, "step at " + std::to_string(at));
  }
}

// What one image needs is computed by start or the first call, not by each step.
TEST_P(DecoderKinds, AStepReadsNoEncoderOutput) {
  if (states_.size() == 0) GTEST_SKIP() << "no cross-attention";
  const auto model = decoder();
  model->reserve(20);
  model->start(encoder_output());
  step(*model, 0, 2);
  step(*model, 2, 1);
  const auto plans = model->plans();
  ASSERT_GE(plans.size(), 2u);
  for (const plan::External& slot : plans.back()->externals) EXPECT_NE(slot.name, roles_.states);
}

INSTANTIATE_TEST_SUITE_P(All, DecoderKinds,
                         testing::Values(Kind{"Git", "git", ""}, Kind{"Blip", "blip", ""},
                                         Kind{"Florence2", "florence2", ""},
                                         Kind{"Florence2Pair", "florence2_with_past", "florence2_first"},
                                         Kind{"SmolLm", "smollm", ""}, Kind{"Phi", "phi", ""},
                                         Kind{"CachePosition", "phi_cache_position", ""}),
                         [](const auto& test) { return std::string(test.param.name); });

// M-RoPE: three planes of position ids, an image of two by two positions among text.
TEST(DecoderPositions, MayComeInPlanesWithTheTokens) {
  constexpr size_t kLength = 7, kPrompt = 5;
  const std::vector<int64_t> planes{0, 1, 2, 2, 2, 2, 4, 0, 1, 2, 2, 3, 3, 4, 0, 1, 2, 3, 2, 3, 4};
  const graph::Graph graph =
      onnx::load_graph(VULCAP_TEST_DATA "/families/qwen2-vl/onnx/decoder_model_merged.onnx");
  const DecoderRoles roles = loader::find_decoder_roles(graph);
  ASSERT_EQ(roles.position_planes, 3);
  const int64_t width = graph.value(graph.find_input(roles.embeds)).shape->back().value();
  const core::Tensor embeds = test::random_tensor(core::DType::kF32, {1, kLength, width}, 5);

  NamedTensors inputs{{roles.embeds, embeds},
                      {roles.mask, ones({1, kLength})},
                      {roles.positions, core::Tensor::from(core::DType::kI64, {3, 1, kLength}, planes)}};
  for (const auto& [past, present] : roles.cache) {
    const graph::Value& value = graph.value(graph.find_input(past));
    inputs[past] = core::Tensor(value.dtype, {1, fixed_or(value, 1, 0), 0, fixed_or(value, 3, 0)});
  }
  const core::Tensor logits = Session(test::cpu_device(), graph).run(inputs).at(roles.logits);
  const size_t vocab = size_t(logits.shape()[2]);

  CachedDecoder cached(test::cpu_device(), graph, roles);
  UncachedDecoder uncached(test::cpu_device(), graph, roles);
  for (Decoder* decoder : {static_cast<Decoder*>(&cached), static_cast<Decoder*>(&uncached)}) {
    decoder->reserve(kLength);
    decoder->start({});
    for (size_t at = 0, length = kPrompt; at < kLength; at += length, length = 1) {
      core::Tensor part(core::DType::kF32, {1, int64_t(length), width});
      std::copy_n(embeds.as<float>().begin() + int64_t(at) * width, int64_t(length) * width,
                  part.mutable_as<float>().begin());
      std::vector<int64_t> positions;
      for (size_t plane = 0; plane < 3; ++plane)
        positions.insert(positions.end(), planes.begin() + int64_t(plane * kLength + at),
                         planes.begin() + int64_t(plane * kLength + at + length));
      Tokens tokens(part);
      tokens.positions = positions;
      const auto got = decoder->step(tokens, 1, int(length), {});
      const auto want = logits.as<float>().subspan((at + length - 1) * vocab, vocab);
      for (size_t i = 0; i < vocab; ++i)
        ASSERT_NEAR(got[i], want[i], kTolerance + kTolerance * std::abs(want[i])) << "after " << at + length;
    }
  }
}

}  // namespace
}  // namespace vulcap::session
