// Rows of several images that swap and leave, as the beams of a batch do, against each row's sequence scored
// alone: decoders with and without cache.
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
  return onnx::load_graph(std::string(VULCAP_TEST_DATA) + "/" + stem + ".onnx");
}

struct Row {
  size_t image;
  std::vector<int64_t> ids;
};

struct Kind {
  const char* name;
  const char* graph;
  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

class BatchedDecoders : public testing::TestWithParam<Kind> {
 protected:
  BatchedDecoders() : graph_(load(GetParam().graph)), roles_(loader::find_decoder_roles(graph_)) {
    const auto& shape = *graph_.value(graph_.find_input(roles_.states)).shape;
    width_ = shape[2].value();
    positions_ = shape[1].is_constant() ? shape[1].value() : kPositions;
    decoder_ = make();
    alone_ = make();
    decoder_->reserve(40);
    alone_->reserve(40);
  }

  std::unique_ptr<Decoder> make() const {
    if (roles_.cache.empty()) return std::make_unique<UncachedDecoder>(test::cpu_device(), graph_, roles_);
    return std::make_unique<CachedDecoder>(test::cpu_device(), graph_, roles_);
  }

  EncoderOutput states_of(size_t first, size_t count) const {
    const core::Tensor drawn = test::random_tensor(core::DType::kF32, {6, positions_, width_}, 3);
    const size_t bytes = size_t(positions_ * width_) * sizeof(float);
    auto buffer = test::cpu_device().backend().allocate(count * bytes, "states");
    buffer->write(0, drawn.bytes().subspan(first * bytes, count * bytes));
    return {buffer, core::DType::kF32, {int64_t(count), positions_, width_}};
  }

  void start(size_t first, size_t count, size_t rows_an_image) {
    first_image_ = first;
    decoder_->start(states_of(first, count));
    rows_.clear();
    for (size_t row = 0; row < count * rows_an_image; ++row) rows_.push_back({row / rows_an_image, {}});
  }

  // The rows that go on; empty: all, each its own.
  void step(const std::vector<int32_t>& reorder) {
    std::vector<Row> next;
    for (const int32_t from : reorder) next.push_back(rows_[size_t(from)]);
    if (!reorder.empty()) rows_ = next;
    std::vector<int64_t> ids;
    for (Row& row : rows_) {
      row.ids.push_back(random_.below(40));
      ids.push_back(row.ids.back());
    }
    const auto logits = decoder_->step(ids, int(rows_.size()), 1, reorder);
    const size_t vocab = size_t(decoder_->vocab());
    for (size_t i = 0; i < rows_.size(); ++i) {
      alone_->start(states_of(first_image_ + rows_[i].image, 1));
      const auto want = alone_->step(rows_[i].ids, 1, int(rows_[i].ids.size()), {});
      for (size_t v = 0; v < vocab; ++v) {
        ASSERT_NEAR(logits[i * vocab + v], want[v], kTolerance + kTolerance * std::abs(want[v]))
            << "row " << i << " of " << rows_.size() << ", image " << rows_[i].image << ", token " << v;
      }
    }
  }

  graph::Graph graph_;
  DecoderRoles roles_;
  int64_t width_ = 0, positions_ = 0;
  std::unique_ptr<Decoder> decoder_, alone_;
  size_t first_image_ = 0;
  std::vector<Row> rows_;
  test::Random random_{7};
};

TEST_P(BatchedDecoders, RowsOfSeveralImagesSwapAndLeave) {
  start(0, 3, 2);
  step({});
  step({1, 1, 2, 3, 5, 4});
  step({0, 1, 4, 5});  // the second image is done
  step({1, 0, 3, 3});
  step({});
  step({2, 3});
  step({1});
  step({});
}

TEST_P(BatchedDecoders, AsManyRowsAsImagesNeedNotBeARowEach) {
  start(0, 2, 2);
  step({});
  step({3, 2});
  step({1, 1});
}

TEST_P(BatchedDecoders, BatchesOfOtherSizesFollow) {
  for (const size_t count : {2, 4, 1, 3, 4}) {
    start(count % 3, count, 1);
    step({});
    step({});
    if (count > 2) step({2, 0});
  }
}

TEST_P(BatchedDecoders, RowsMustBeSharedOutEvenly) {
  decoder_->start(states_of(0, 2));
  EXPECT_THROW(decoder_->step(std::vector<int64_t>{1, 2, 3}, 3, 1, {}), core::Error);
}

INSTANTIATE_TEST_SUITE_P(All, BatchedDecoders,
                         testing::Values(Kind{"Merged", "vit-gpt2/decoder_model_merged"},
                                         Kind{"WithPast", "vit-gpt2/decoder_with_past_model"},
                                         Kind{"WithoutCache", "vit-gpt2/decoder_model"},
                                         Kind{"Git", "decoders/git"}, Kind{"Blip", "decoders/blip"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace vulcap::session
