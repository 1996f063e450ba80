#include "loader/conversion/quantization/blocks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "runtime/core/half.h"
#include "runtime/core/thread_pool.h"
#include "runtime/ops/kernels/weight_tables.h"

namespace vulcap::quantization {
namespace {

using core::DType;
using core::Tensor;

// Columns of a matrix, a strip of neighbours at a time so that rows are read in whole cache lines.
class Columns {
 public:
  static constexpr int64_t kStrip = 16;

  explicit Columns(const Matrix& matrix) : matrix_(matrix), k_(matrix.k()), n_(matrix.n()) {}

  int64_t strips() const { return (n_ + kStrip - 1) / kStrip; }
  // Calls body(column, its numbers) for the columns of one strip.
  template <typename Body>
  void visit(int64_t strip, const Body& body) const {
    const int64_t first = strip * kStrip, count = std::min(kStrip, n_ - first);
    std::vector<float> numbers(size_t(count * k_));
    for (int64_t k = 0; k < k_; ++k)
      for (int64_t c = 0; c < count; ++c) numbers[size_t(c * k_ + k)] = at(k, first + c);
    for (int64_t c = 0; c < count; ++c)
      body(first + c, std::span<const float>(numbers).subspan(size_t(c * k_), size_t(k_)));
  }

 private:
  float at(int64_t k, int64_t n) const {
    const size_t index = size_t(matrix_.transposed ? n * k_ + k : k * n_ + n);
    return matrix_.numbers.dtype() == DType::kF16 ? core::half_to_float(matrix_.numbers.as<uint16_t>()[index])
                                                  : matrix_.numbers.as<float>()[index];
  }

  const Matrix& matrix_;
  int64_t k_, n_;
};

// The scale as it will be read back.
float store_scale(Tensor& scales, size_t index, float scale) {
  if (scales.dtype() != DType::kF16) return scales.mutable_as<float>()[index] = scale;
  const uint16_t half = core::float_to_half(scale);
  scales.mutable_as<uint16_t>()[index] = half;
  return core::half_to_float(half);
}

struct Step {
  float scale;
  uint8_t zero;
};

// The number of largest magnitude becomes -8, the end that reaches further.
Step symmetric_step(std::span<const float> numbers) {
  float extreme = 0;
  for (const float number : numbers)
    if (std::fabs(number) > std::fabs(extreme)) extreme = number;
  return {extreme / -8.0f, 8};
}

Step asymmetric_step(std::span<const float> numbers) {
  float low = 0, high = 0;
  for (const float number : numbers) {
    low = std::min(low, number);
    high = std::max(high, number);
  }
  const float scale = (high - low) / 15.0f;
  return {scale, scale > 0 ? uint8_t(std::clamp(std::round(-low / scale), 0.0f, 15.0f)) : uint8_t(0)};
}

void put_nibble(std::span<uint8_t> bytes, size_t index, uint8_t value, bool low_first) {
  const bool low = (index % 2 == 0) == low_first;
  uint8_t& byte = bytes[index / 2];
  byte = uint8_t(low ? (byte & 0xf0) | value : (byte & 0x0f) | (value << 4));
}

void put_block(std::span<uint8_t> bytes, std::span<const float> numbers, const Step& step) {
  const float inverse = step.scale != 0 ? 1.0f / step.scale : 0.0f;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const float value = std::round(numbers[i] * inverse + float(step.zero));
    put_nibble(bytes, i, uint8_t(std::clamp(value, 0.0f, 15.0f)), true);
  }
}

uint8_t nearest_nf4(float number) {
  const auto* values = ops::kNf4Values;
  const auto* above = std::upper_bound(values, values + 16, number);
  if (above == values) return 0;
  if (above == values + 16) return 15;
  return uint8_t(number - above[-1] <= above[0] - number ? above - 1 - values : above - values);
}

void put_nf4_block(std::span<uint8_t> bytes, size_t first, std::span<const float> numbers, float scale) {
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  for (size_t i = 0; i < numbers.size(); ++i)
    put_nibble(bytes, first + i, nearest_nf4(numbers[i] * inverse), false);
}

float largest_magnitude(std::span<const float> numbers) {
  float largest = 0;
  for (const float number : numbers) largest = std::max(largest, std::fabs(number));
  return largest;
}

}  // namespace

NBitBlocks n_bit_blocks(const Matrix& matrix, int64_t block, bool symmetric) {
  const int64_t n = matrix.n(), blocks = (matrix.k() + block - 1) / block, zero_bytes = (blocks + 1) / 2;
  NBitBlocks result{
      Tensor(DType::kU8, {n, blocks, block / 2}), Tensor(matrix.numbers.dtype(), {n, blocks}), {}};
  if (!symmetric) result.zero_points = Tensor(DType::kU8, {n, zero_bytes});
  const auto bytes = result.numbers.mutable_as<uint8_t>();
  const auto zeros = symmetric ? std::span<uint8_t>() : result.zero_points.mutable_as<uint8_t>();
  const auto put_column = [&](int64_t column, std::span<const float> numbers) {
    for (int64_t b = 0; b < blocks; ++b) {
      const size_t first = size_t(b * block), index = size_t(column * blocks + b);
      const auto part = numbers.subspan(first, std::min(size_t(block), numbers.size() - first));
      Step step = symmetric ? symmetric_step(part) : asymmetric_step(part);
      step.scale = store_scale(result.scales, index, step.scale);
      if (!symmetric)
        put_nibble(zeros.subspan(size_t(column * zero_bytes), size_t(zero_bytes)), size_t(b), step.zero,
                   true);
      put_block(bytes.subspan(index * size_t(block / 2), size_t(block / 2)), part, step);
    }
  };
  const Columns columns(matrix);
  core::ThreadPool().run(size_t(columns.strips()),
                         [&](size_t strip) { columns.visit(int64_t(strip), put_column); });
  return result;
}

Nf4Blocks nf4_blocks(const Matrix& matrix, int64_t block) {
  const int64_t count = matrix.n() * matrix.k(), blocks = (count + block - 1) / block;
  Nf4Blocks result{Tensor(DType::kU8, {(count + 1) / 2}), Tensor(matrix.numbers.dtype(), {blocks})};
  const auto bytes = result.numbers.mutable_as<uint8_t>();
  const Columns columns(matrix);
  std::vector<float> waiting;  // numbers of a block that began in an earlier column
  size_t written = 0;
  const auto finish_block = [&] {
    const float scale = store_scale(result.scales, written / size_t(block), largest_magnitude(waiting));
    put_nf4_block(bytes, written, waiting, scale);
    written += waiting.size();
    waiting.clear();
  };
  for (int64_t strip = 0; strip < columns.strips(); ++strip)
    columns.visit(strip, [&](int64_t, std::span<const float> numbers) {
      for (const float number : numbers) {
        waiting.push_back(number);
        if (waiting.size() == size_t(block)) finish_block();
      }
    });
  if (!waiting.empty()) finish_block();
  if (count % 2 != 0) put_nibble(bytes, size_t(count), nearest_nf4(0), false);
  return result;
}

}  // namespace vulcap::quantization
