// Batches whose rows differ in length against each row run alone: prompts padded on the left, in one batch or
// in groups of equal length, and encoder outputs padded on the right.
#include <gtest/gtest.h>

#include <array>

#include "loader/decoder_roles.h"
#include "loader/onnx/import.h"
#include "runtime/session/grouped_decoder.h"
#include "runtime/session/uncached_decoder.h"
#include "tests/session/tensors.h"

namespace vulcap::session {
namespace {

constexpr double kTolerance = 1e-4;

graph::Graph load(const std::string& stem) {
  return onnx::load_graph(std::string(VULCAP_TEST_DATA) + "/decoders/" + stem + ".onnx");
}

enum class Kind { kPadded, kGroups, kGroupsWithoutCache };

std::unique_ptr<Decoder> make_decoder(const std::string& stem, Kind kind) {
  const graph::Graph graph = load(stem);
  const DecoderRoles roles = loader::find_decoder_roles(graph);
  const auto cached = [graph, roles]() -> std::unique_ptr<Decoder> {
    return std::make_unique<CachedDecoder>(test::cpu_device(), graph, roles);
  };
  const auto uncached = [graph, roles]() -> std::unique_ptr<Decoder> {
    return std::make_unique<UncachedDecoder>(test::cpu_device(), graph, roles);
  };
  if (kind == Kind::kPadded) return cached();
  if (kind == Kind::kGroups) return std::make_unique<GroupedDecoder>(cached);
  return std::make_unique<GroupedDecoder>(uncached);
}

// Embeddings of token `at` of a sequence.
std::vector<float> embedding(int sequence, int at, int64_t width) {
  const core::Tensor tensor = test::random_tensor(core::DType::kF32, {width}, uint32_t(sequence * 100 + at));
  const auto values = tensor.as<float>();
  return {values.begin(), values.end()};
}

void append(std::vector<float>& to, const std::vector<float>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

Tokens tokens_of(const std::vector<float>& embeddings, std::span<const int32_t> padding = {}) {
  Tokens tokens{std::span<const int64_t>()};
  tokens.embeds = std::as_bytes(std::span(embeddings));
  tokens.padding = padding;
  return tokens;
}

void expect_close(std::span<const float> got, const std::vector<float>& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(got[i], want[i], kTolerance + kTolerance * std::abs(want[i])) << what << ", token " << i;
}

class PaddedPrompts : public testing::TestWithParam<std::tuple<const char*, Kind>> {
 protected:
  PaddedPrompts() : stem_(std::get<0>(GetParam())), decoder_(make_decoder(stem_, std::get<1>(GetParam()))) {
    const graph::Graph graph = load(stem_);
    width_ = (*graph.value(graph.find_input("inputs_embeds")).shape)[2].value();
  }

  // The logits behind a sequence of (sequence, token) pairs, run alone.
  std::vector<float> alone(const std::vector<std::pair<int, int>>& sequence) {
    if (!alone_) alone_ = make_decoder(stem_, Kind::kPadded);
    std::vector<float> embeddings;
    for (const auto& [name, at] : sequence) append(embeddings, embedding(name, at, width_));
    alone_->reserve(20);
    alone_->start({});
    const auto logits = alone_->step(tokens_of(embeddings), 1, int(sequence.size()), {});
    return {logits.begin(), logits.end()};
  }

  void expect_rows(std::span<const float> logits, const std::vector<std::vector<std::pair<int, int>>>& rows,
                   const std::string& what) {
    const size_t vocab = size_t(decoder_->vocab());
    for (size_t row = 0; row < rows.size(); ++row)
      expect_close(logits.subspan(row * vocab, vocab), alone(rows[row]),
                   what + ", row " + std::to_string(row));
  }

  std::string stem_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Decoder> alone_;
  int64_t width_ = 0;
};

TEST_P(PaddedPrompts, RowsEqualThoseRunAlone) {
  const std::vector<int> lengths = {2, 5, 4};
  const std::vector<int32_t> padding = {3, 0, 1};
  decoder_->reserve(20);
  for (int round = 0; round < 2; ++round) {
    decoder_->start({});
    ASSERT_TRUE(decoder_->takes_padding());
    std::vector<std::vector<std::pair<int, int>>> rows(3);
    std::vector<float> prompt;
    for (int row = 0; row < 3; ++row) {
      for (int i = 0; i < padding[size_t(row)]; ++i) append(prompt, embedding(90, i, width_));
      for (int i = 0; i < lengths[size_t(row)]; ++i) {
        rows[size_t(row)].emplace_back(row + 10 * round, i);
        append(prompt, embedding(row + 10 * round, i, width_));
      }
    }
    expect_rows(decoder_->step(tokens_of(prompt, padding), 3, 5, {}), rows, "prompts");
    // Two beams a prompt that change places.
    const std::vector<std::vector<int32_t>> reorders = {
        {0, 0, 1, 1, 2, 2}, {1, 0, 2, 2, 5, 4}, {}, {0, 0, 3, 2, 4, 4}};
    for (size_t step = 0; step < reorders.size(); ++step) {
      std::vector<std::vector<std::pair<int, int>>> next;
      std::vector<float> given;
      for (size_t row = 0; row < 6; ++row) {
        next.push_back(reorders[step].empty() ? rows[row] : rows[size_t(reorders[step][row])]);
        next.back().emplace_back(50 + int(row), int(step));
        append(given, embedding(50 + int(row), int(step), width_));
      }
      rows = std::move(next);
      expect_rows(decoder_->step(tokens_of(given), 6, 1, reorders[step]), rows,
                  "step " + std::to_string(step));
    }
  }
}

std::string kind_name(const testing::TestParamInfo<std::tuple<const char*, Kind>>& test) {
  const std::array<const char*, 3> names = {"Padded", "Groups", "GroupsWithoutCache"};
  return std::string(std::get<0>(test.param)) + names[size_t(std::get<1>(test.param))];
}

INSTANTIATE_TEST_SUITE_P(Kinds, PaddedPrompts,
                         testing::Combine(testing::Values("smollm", "phi"),
                                          testing::Values(Kind::kPadded, Kind::kGroups,
                                                          Kind::kGroupsWithoutCache)),
                         kind_name);

// Encoder outputs of 9 and 5 positions in one batch.
class PaddedStates : public testing::TestWithParam<bool> {
 protected:
  static constexpr int64_t kWidth = 32;

  std::unique_ptr<Decoder> make() const {
    const graph::Graph graph = load("florence2");
    const DecoderRoles roles = loader::find_decoder_roles(graph);
    if (GetParam()) return std::make_unique<CachedDecoder>(test::cpu_device(), graph, roles);
    return std::make_unique<UncachedDecoder>(test::cpu_device(), graph, roles);
  }

  static EncoderOutput on_device(const std::vector<float>& states, int64_t images) {
    auto buffer = test::cpu_device().backend().allocate(states.size() * sizeof(float), "states");
    buffer->write(0, std::as_bytes(std::span(states)));
    return {buffer, core::DType::kF32, {images, int64_t(states.size()) / images / kWidth, kWidth}};
  }
};

TEST_P(PaddedStates, RowsEqualThoseRunAlone) {
  const std::vector<int> lengths = {9, 5};
  const auto batch = make();
  batch->reserve(20);
  for (int round = 0; round < 2; ++round) {
    std::vector<float> all;
    std::vector<std::vector<float>> own(2);
    for (int image = 0; image < 2; ++image) {
      for (int i = 0; i < 9; ++i) {
        const auto state = embedding(200 + image + 10 * round, i, kWidth);
        append(all, state);
        if (i < lengths[size_t(image)]) append(own[size_t(image)], state);
      }
    }
    EncoderOutput states = on_device(all, 2);
    for (int i = 0; i < 18; ++i) states.mask.push_back(i < 14);
    batch->start(states);
    const size_t vocab = size_t(batch->vocab());
    std::vector<float> both = embedding(1, 0, kWidth);
    append(both, embedding(2, 0, kWidth));
    std::vector<std::vector<float>> got;
    for (int step = 0; step < 2; ++step) {
      const auto logits = batch->step(tokens_of(both), 2, 1, {});
      got.emplace_back(logits.begin(), logits.end());
    }
    for (int image = 0; image < 2; ++image) {
      const auto alone = make();
      alone->reserve(20);
      alone->start(on_device(own[size_t(image)], 1));
      for (size_t step = 0; step < 2; ++step) {
        const std::vector<float> token = embedding(1 + image, 0, kWidth);
        const auto want = alone->step(tokens_of(token), 1, 1, {});
        expect_close(std::span(got[step]).subspan(size_t(image) * vocab, vocab), {want.begin(), want.end()},
                     "image " + std::to_string(image) + ", step " + std::to_string(step));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cache, PaddedStates, testing::Bool());

}  // namespace
}  // namespace vulcap::session
