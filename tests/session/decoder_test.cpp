// The cached decoder against the same model run over whole sequences.
#include "runtime/session/decoder.h"

#include <gtest/gtest.h>

#include "loader/decoder_roles.h"
#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/session/uncached_decoder.h"
#include "tests/session/tensors.h"

namespace vulcap::session {
namespace {

constexpr int64_t kPositions = 17;  // of the encoder
constexpr double kTolerance = 1e-4;

graph::Graph load(const std::string& stem) {
  return onnx::load_graph(std::string(VULCAP_TEST_DATA) + "/vit-gpt2/" + stem + ".onnx");
}

core::Tensor random_states(const graph::Graph& graph, int64_t images, uint32_t seed) {
  const auto& shape = *graph.value(graph.find_input("encoder_hidden_states")).shape;
  return test::random_tensor(core::DType::kF32, {images, kPositions, shape[2].value()}, seed);
}

EncoderOutput on_device(const core::Tensor& states) {
  auto buffer = test::cpu_device().backend().allocate(states.bytes().size(), "states");
  buffer->write(0, states.bytes());
  return {buffer, states.dtype(), states.shape()};
}

// The logits of every position, from the decoder without cache.
class WholeSequence {
 public:
  WholeSequence() : session_(test::cpu_device(), load("decoder_model")) {}

  std::vector<float> last_logits(const core::Tensor& states, const std::vector<int64_t>& ids) {
    NamedTensors inputs;
    inputs["input_ids"] = core::Tensor::from<int64_t>(core::DType::kI64, {1, int64_t(ids.size())}, ids);
    inputs["encoder_hidden_states"] = states;
    const core::Tensor logits = session_.run(inputs).at("logits");
    const size_t width = size_t(logits.shape()[2]);
    const auto all = logits.as<float>();
    return {all.end() - int64_t(width), all.end()};
  }

 private:
  Session session_;
};

void expect_close(std::span<const float> got, const std::vector<float>& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(got[i], want[i], kTolerance + kTolerance * std::abs(want[i])) << what << ", token " << i;
}

std::vector<int64_t> random_ids(size_t count, uint32_t seed) {
  test::Random random(seed);
  std::vector<int64_t> ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(random.below(50));
  return ids;
}

class CachedDecoders : public testing::TestWithParam<const char*> {
 protected:
  CachedDecoders()
      : graph_(load(GetParam())), decoder_(test::cpu_device(), graph_, loader::find_decoder_roles(graph_)) {}

  void start(const core::Tensor& states, int64_t positions = 40) {
    decoder_.reserve(positions);
    decoder_.start(on_device(states));
  }

  std::span<const float> row_of(std::span<const float> logits, size_t row) const {
    return logits.subspan(row * size_t(decoder_.vocab()), size_t(decoder_.vocab()));
  }

  graph::Graph graph_;
  CachedDecoder decoder_;
  WholeSequence whole_;
};

TEST_P(CachedDecoders, StepsGiveTheLogitsOfTheWholeSequence) {
  const core::Tensor states = random_states(graph_, 1, 1);
  const std::vector<int64_t> ids = random_ids(12, 2);
  for (size_t prompt : {1, 2, 5}) {
    start(states);
    std::vector<int64_t> sequence(ids.begin(), ids.begin() + int64_t(prompt));
    expect_close(decoder_.step(sequence, 1, int(prompt), {}), whole_.last_logits(states, sequence),
                 "prompt of " + std::to_string(prompt));
    for (size_t at = prompt; at < ids.size(); ++at) {
      sequence.push_back(ids[at]);
      expect_close(decoder_.step(std::span(ids).subspan(at, 1), 1, 1, {}),
                   whole_.last_logits(states, sequence),
                   "prompt of " + std::to_string(prompt) + ", step at " + std::to_string(at));
    }
  }
}

TEST_P(CachedDecoders, ANewStartForgetsTheLastImage) {
  const std::vector<int64_t> ids = random_ids(4, 3);
  for (uint32_t image = 10; image < 13; ++image) {
    const core::Tensor states = random_states(graph_, 1, image);
    start(states);
    decoder_.step(std::span(ids).first(3), 1, 3, {});
    expect_close(decoder_.step(std::span(ids).last(1), 1, 1, {}), whole_.last_logits(states, ids),
                 "image " + std::to_string(image));
  }
}

TEST_P(CachedDecoders, TheSameBufferMayHoldANewImage) {
  const std::vector<int64_t> ids = random_ids(3, 4);
  const core::Tensor first = random_states(graph_, 1, 20);
  const core::Tensor second = random_states(graph_, 1, 21);
  const EncoderOutput place = on_device(first);
  decoder_.reserve(40);
  decoder_.start(place);
  expect_close(decoder_.step(ids, 1, 3, {}), whole_.last_logits(first, ids), "first image");
  place.buffer->write(0, second.bytes());
  decoder_.start(place);
  expect_close(decoder_.step(ids, 1, 3, {}), whole_.last_logits(second, ids), "second image");
}

// Three rows of one image that swap, drop and repeat one another, as beams do.
TEST_P(CachedDecoders, ReorderedRowsContinueTheSequencesTheyName) {
  const core::Tensor states = random_states(graph_, 1, 5);
  const std::vector<std::vector<int32_t>> reorders = {{0, 0, 0}, {2, 0, 1}, {1, 1, 1},
                                                      {0, 2, 2}, {2, 1, 0}, {0, 0, 1}};
  start(states);
  std::vector<std::vector<int64_t>> sequences(3, {7, 3});
  decoder_.step(std::vector<int64_t>{7, 3, 7, 3, 7, 3}, 3, 2, {});
  test::Random random(6);
  for (size_t step = 0; step < reorders.size(); ++step) {
    std::vector<std::vector<int64_t>> next;
    std::vector<int64_t> ids;
    for (int32_t from : reorders[step]) {
      next.push_back(sequences[size_t(from)]);
      ids.push_back(random.below(50));
      next.back().push_back(ids.back());
    }
    sequences = next;
    const auto logits = decoder_.step(ids, 3, 1, reorders[step]);
    for (size_t row = 0; row < 3; ++row) {
      expect_close(row_of(logits, row), whole_.last_logits(states, sequences[row]),
                   "step " + std::to_string(step) + ", row " + std::to_string(row));
    }
  }
}

TEST_P(CachedDecoders, RowsWithoutReorderContinueThemselves) {
  const core::Tensor states = random_states(graph_, 1, 8);
  start(states);
  const std::vector<int64_t> ids = {1, 2, 3, 4};
  decoder_.step(std::span(ids).first(2), 2, 1, {});
  const auto logits = decoder_.step(std::span(ids).last(2), 2, 1, {});
  expect_close(row_of(logits, 0), whole_.last_logits(states, {1, 3}), "row 0");
  expect_close(row_of(logits, 1), whole_.last_logits(states, {2, 4}), "row 1");
}

TEST_P(CachedDecoders, RowsOfSeveralImages) {
  const core::Tensor both = random_states(graph_, 2, 9);
  const int64_t width = both.shape()[2];
  start(both);
  const std::vector<int64_t> ids = {1, 1, 2, 2};
  const auto logits = decoder_.step(ids, 2, 2, {});
  for (size_t image = 0; image < 2; ++image) {
    const size_t bytes = size_t(kPositions * width) * sizeof(float);
    core::Tensor one(core::DType::kF32, {1, kPositions, width});
    std::memcpy(one.mutable_bytes().data(), both.bytes().data() + image * bytes, bytes);
    const std::vector<int64_t> own(ids.begin() + int64_t(image) * 2, ids.begin() + int64_t(image) * 2 + 2);
    expect_close(row_of(logits, image), whole_.last_logits(one, own), "image " + std::to_string(image));
  }
}

TEST_P(CachedDecoders, MoreRowsThanBefore) {
  const core::Tensor states = random_states(graph_, 1, 11);
  start(states);
  decoder_.step(std::vector<int64_t>{4, 5}, 1, 2, {});
  const auto logits = decoder_.step(std::vector<int64_t>{6, 7}, 2, 1, std::vector<int32_t>{0, 0});
  expect_close(row_of(logits, 0), whole_.last_logits(states, {4, 5, 6}), "row 0");
  expect_close(row_of(logits, 1), whole_.last_logits(states, {4, 5, 7}), "row 1");
}

TEST_P(CachedDecoders, FewerRowsThanBeforeMustBeNamed) {
  const core::Tensor states = random_states(graph_, 1, 12);
  start(states);
  decoder_.step(std::vector<int64_t>{4, 5}, 2, 1, {});
  EXPECT_THROW(decoder_.step(std::vector<int64_t>{6}, 1, 1, {}), core::Error);
  const auto logits = decoder_.step(std::vector<int64_t>{6}, 1, 1, std::vector<int32_t>{1});
  expect_close(logits, whole_.last_logits(states, {5, 6}), "the second row");
}

TEST_P(CachedDecoders, TheCapacityIsKept) {
  const core::Tensor states = random_states(graph_, 1, 13);
  start(states, 5);
  const int64_t id = 3;
  size_t steps = 0;
  std::string message;
  try {
    for (; steps < 1000; ++steps) decoder_.step(std::span(&id, 1), 1, 1, {});
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRuntime);
    message = error.message();
  }
  EXPECT_GE(steps, 5u);
  EXPECT_LT(steps, 1000u);
  EXPECT_NE(message.find("room for"), std::string::npos) << message;
  decoder_.start(on_device(states));
  EXPECT_NO_THROW(decoder_.step(std::span(&id, 1), 1, 1, {})) << "a new start has room again";
  EXPECT_THROW(decoder_.step(random_ids(500, 1), 1, 500, {}), core::Error);
}

TEST_P(CachedDecoders, NothingIsRecomputedPerToken) {
  start(random_states(graph_, 1, 14));
  decoder_.step(std::vector<int64_t>{1}, 1, 1, {});
  decoder_.step(std::vector<int64_t>{2}, 1, 1, {});
  const auto plans = decoder_.plans();
  ASSERT_EQ(plans.size(), 2u) << "a prelude for the encoder's output and a step";
  for (const plan::External& slot : plans[1]->externals) EXPECT_NE(slot.name, "encoder_hidden_states");
  for (const std::string& reason : plans[1]->reasons) EXPECT_EQ(reason, "");
}

INSTANTIATE_TEST_SUITE_P(VitGpt2, CachedDecoders,
                         testing::Values("decoder_model_merged", "decoder_with_past_model"),
                         [](const auto& test) { return std::string(test.param); });

TEST(UncachedDecoder, GivesTheSameLogits) {
  const graph::Graph graph = load("decoder_model");
  UncachedDecoder decoder(test::cpu_device(), graph, loader::find_decoder_roles(graph));
  WholeSequence whole;
  const core::Tensor states = random_states(graph, 1, 15);
  decoder.start(on_device(states));
  expect_close(decoder.step(std::vector<int64_t>{4, 5}, 1, 2, {}), whole.last_logits(states, {4, 5}),
               "prompt");
  const auto logits = decoder.step(std::vector<int64_t>{6, 7}, 2, 1, std::vector<int32_t>{0, 0});
  const size_t vocab = size_t(decoder.vocab());
  expect_close(logits.first(vocab), whole.last_logits(states, {4, 5, 6}), "row 0");
  expect_close(logits.last(vocab), whole.last_logits(states, {4, 5, 7}), "row 1");
}

TEST(DecoderRoles, AreFoundInTheMergedDecoder) {
  const graph::Graph graph = load("decoder_model_merged");
  const DecoderRoles roles = loader::find_decoder_roles(graph);
  EXPECT_EQ(roles.ids, "input_ids");
  EXPECT_EQ(roles.states, "encoder_hidden_states");
  EXPECT_EQ(roles.logits, "logits");
  EXPECT_EQ(roles.use_cache, "use_cache_branch");
  ASSERT_FALSE(roles.cache.empty());
  EXPECT_TRUE(roles.cache[0].first.starts_with("past_key_values."));
  EXPECT_TRUE(roles.cache[0].second.starts_with("present."));
  EXPECT_GT(declared_vocab(graph, "logits"), 50);
  EXPECT_THROW(declared_vocab(graph, "input_ids"), core::Error);
}

}  // namespace
}  // namespace vulcap::session
