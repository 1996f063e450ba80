#include <algorithm>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/integer_tile.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/matmul_integer.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/simd-inl.h"

#ifndef VULCAP_CPU_MATMUL_INTEGER_SCRATCH
#define VULCAP_CPU_MATMUL_INTEGER_SCRATCH
namespace vulcap::cpu::integers {

static_assert(kIntegerColumns == kPanelWidth);

inline size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Scratch: A as unsigned bytes with rows of `depth`, the sum of each row, and a panel of B with its sums a
// thread.
struct Scratch {
  size_t depth, a_bytes, sums_bytes, panel_bytes;

  Scratch(const abi::MatmulIntegerParams& p)
      : depth((size_t(p.k) + 3) / 4 * 4),
        a_bytes(round_up(depth * p.m)),
        sums_bytes(round_up(size_t(p.m) * 4)),
        panel_bytes(round_up(depth * kPanelWidth) + kPanelWidth * 4) {}
  size_t total(size_t threads) const { return a_bytes + sums_bytes + panel_bytes * threads; }
};

}  // namespace vulcap::cpu::integers
#endif

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

class IntegerProduct {
 public:
  explicit IntegerProduct(const CpuArgs& args)
      : args_(args),
        p_(args.call().params_as<abi::MatmulIntegerParams>()),
        scratch_(p_),
        a_(reinterpret_cast<uint8_t*>(args.scratch)),
        row_sums_(reinterpret_cast<int32_t*>(args.scratch + scratch_.a_bytes)),
        a_signed_(args.call().variant.storage == core::DType::kI8),
        b_unsigned_(args.call().variant.second == core::DType::kU8) {}

  void run() const {
    if (p_.m == 0 || p_.n == 0) return;
    const size_t work = size_t(p_.m) * p_.n * p_.k;
    const size_t threads = work > kSerialMultiplyAdds ? size_t(args_.pool.size()) : 1;
    for (size_t batch = 0; batch < p_.batch; ++batch) {
      parallel_items(args_.pool, p_.m < 8 ? 1 : threads, p_.m,
                     [&](size_t, size_t row) { take_row(batch, row); });
      const size_t panels = (p_.n + kPanelWidth - 1) / kPanelWidth;
      const size_t tiles = (p_.m + kIntegerRows - 1) / kIntegerRows;
      // few rows: long runs of panels, so that each thread reads one stream of B; few panels: groups of tiles
      const size_t run = tiles == 1 ? std::max<size_t>(1, panels / (threads * 8)) : 1;
      const size_t runs = (panels + run - 1) / run;
      const size_t groups = args_.packed == nullptr ? 1 : std::min(tiles, (4 * threads + runs - 1) / runs);
      const size_t tiles_a_group = (tiles + groups - 1) / groups;
      parallel_items(args_.pool, threads, runs * groups, [&](size_t slot, size_t item) {
        const size_t first = item / groups * run, row = item % groups * tiles_a_group * kIntegerRows;
        const size_t end = std::min<size_t>(p_.m, row + tiles_a_group * kIntegerRows);
        for (size_t panel = first; panel < std::min(panels, first + run) && row < end; ++panel)
          panel_product(batch, panel, row, end, slot);
      });
    }
  }

 private:
  // Signed bytes are shifted by 128 to be unsigned; what is behind k is zero, so that it adds nothing.
  void take_row(size_t batch, size_t row) const {
    const uint8_t* from = args_.ptr<uint8_t>(0) + p_.a_offset + batch * p_.a_batch + row * p_.lda;
    uint8_t* to = a_ + row * scratch_.depth;
    const uint8_t flip = a_signed_ ? 0x80 : 0;
    int32_t sum = 0;
    for (size_t k = 0; k < p_.k; ++k) {
      to[k] = from[k] ^ flip;
      sum += to[k];
    }
    std::fill(to + p_.k, to + scratch_.depth, uint8_t{0});
    row_sums_[row] = sum;
  }

  struct Panel {
    const int8_t* data;
    const int32_t* sums;
  };

  Panel panel_of(size_t batch, size_t panel, size_t slot) const {
    const size_t column = panel * kPanelWidth;
    if (args_.packed != nullptr)
      return {reinterpret_cast<const int8_t*>(args_.packed->panel(panel)),
              args_.packed->column_sums.data() + column};
    std::byte* own = args_.scratch + scratch_.a_bytes + scratch_.sums_bytes + slot * scratch_.panel_bytes;
    auto* data = reinterpret_cast<int8_t*>(own);
    auto* sums = reinterpret_cast<int32_t*>(own + scratch_.panel_bytes - kPanelWidth * 4);
    pack_integer_panel(args_.ptr<uint8_t>(1) + batch * p_.b_batch, b_unsigned_, p_.ldb,
                       (p_.flags & abi::kIntegerTransB) != 0, p_.k, column,
                       std::min(kPanelWidth, p_.n - column), data, sums);
    return {data, sums};
  }

  void panel_product(size_t batch, size_t panel, size_t begin, size_t end, size_t slot) const {
    const Panel b = panel_of(batch, panel, slot);
    HWY_ALIGN int32_t sums[kIntegerRows * kPanelWidth];
    HWY_ALIGN int32_t b_zero[kPanelWidth];
    const size_t column = panel * kPanelWidth, width = std::min(kPanelWidth, p_.n - column);
    for (size_t i = 0; i < kPanelWidth; ++i) b_zero[i] = i < width ? zero_of_b(batch, column + i) : 0;
    const IntegerTile tile = integer_tile();
    for (size_t row = begin; row < end; row += kIntegerRows) {
      const size_t rows = std::min(kIntegerRows, end - row);
      tile(a_ + row * scratch_.depth, scratch_.depth, rows, b.data, scratch_.depth, sums);
      for (size_t i = 0; i < rows; ++i)
        finish(batch, row + i, column, width, sums + i * kPanelWidth, b.sums, b_zero);
    }
  }

  int32_t zero_of(size_t binding, bool is_signed, size_t index) const {
    return is_signed ? args_.ptr<int8_t>(binding)[index] : args_.ptr<uint8_t>(binding)[index];
  }
  // Zero points of the shifted bytes.
  int32_t zero_of_a(size_t batch, size_t row) const {
    const bool given = (p_.flags & abi::kIntegerAZero) != 0;
    const size_t at = batch * p_.a_zero_batch + (p_.channel + row) * p_.a_zero_step;
    return (given ? zero_of(2, a_signed_, at) : 0) + (a_signed_ ? 128 : 0);
  }
  int32_t zero_of_b(size_t batch, size_t column) const {
    const bool given = (p_.flags & abi::kIntegerBZero) != 0;
    const size_t at = batch * p_.b_zero_batch + column * p_.b_zero_step;
    return (given ? zero_of(3, !b_unsigned_, at) : 0) - (b_unsigned_ ? 128 : 0);
  }

  // sum (a - za)(b - zb) = sum ab - za sum b - zb sum a + k za zb; all of it wraps alike.
  void finish(size_t batch, size_t row, size_t column, size_t width, int32_t* sums, const int32_t* b_sums,
              const int32_t* b_zero) const {
    const uint32_t a_zero = uint32_t(zero_of_a(batch, row));
    const uint32_t rest = a_zero * uint32_t(p_.k) - uint32_t(row_sums_[row]);
    const bool per_row = (p_.flags & abi::kIntegerPerRow) != 0;
    const int32_t* bias = p_.flags & abi::kIntegerBias ? args_.ptr<int32_t>(5) : nullptr;
    const uint32_t row_bias = bias != nullptr && per_row ? uint32_t(bias[p_.channel + row]) : 0;
    for (size_t i = 0; i < kPanelWidth; ++i)
      sums[i] =
          int32_t(uint32_t(sums[i]) - a_zero * uint32_t(b_sums[i]) + rest * uint32_t(b_zero[i]) + row_bias);
    for (size_t i = 0; i < width && bias != nullptr && !per_row; ++i)
      sums[i] = int32_t(uint32_t(sums[i]) + uint32_t(bias[column + i]));
    const size_t at = p_.c_offset + batch * p_.c_batch + row * p_.ldc + column;
    if ((p_.flags & abi::kIntegerScale) == 0) {
      std::copy_n(sums, width, args_.ptr<int32_t>(7) + at);
      return;
    }
    scale(row, column, width, sums, args_.ptr<float>(7) + at,
          p_.flags & abi::kIntegerResidual ? args_.ptr<float>(6) + at : nullptr);
  }

  void scale(size_t row, size_t column, size_t width, const int32_t* sums, float* to,
             const float* residual) const {
    const bool per_row = (p_.flags & abi::kIntegerPerRow) != 0;
    const float* scales = args_.ptr<float>(4);
    const float* bias = p_.flags & abi::kIntegerFloatBias ? args_.ptr<float>(5) : nullptr;
    const VFloat row_scale = set(scales[per_row ? (p_.channel + row) * p_.scale_step : 0]);
    const VFloat row_bias = set(bias != nullptr && per_row ? bias[p_.channel + row] : 0.0f);
    const bool by_column = p_.scale_step != 0 && !per_row;
    for (size_t i = 0; i < width; i += kLanes) {
      const size_t count = width - i;
      const VFloat factor = by_column ? load_some(scales + column + i, count) : row_scale;
      VFloat value = hn::Mul(hn::ConvertTo(kFloats, hn::LoadU(Ints(), sums + i)), factor);
      value = hn::Add(value, bias != nullptr && !per_row ? load_some(bias + column + i, count) : row_bias);
      value = activate(p_.act, value);
      if (residual != nullptr) value = hn::Add(value, load_some(residual + i, count));
      store_some(value, to + i, count);
    }
  }

  const CpuArgs& args_;
  const abi::MatmulIntegerParams& p_;
  integers::Scratch scratch_;
  uint8_t* a_;
  int32_t* row_sums_;
  bool a_signed_, b_unsigned_;
};

void matmul_integer(const CpuArgs& args) { IntegerProduct(args).run(); }

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(matmul_integer);

namespace {

void run_matmul_integer(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(matmul_integer)(args); }

size_t matmul_integer_scratch(const ops::KernelCall& call, size_t threads) {
  return integers::Scratch(call.params_as<abi::MatmulIntegerParams>()).total(threads);
}

}  // namespace

void cpu_kernel_matmul_integer(CpuRegistry& registry) {
  registry.add("matmul_integer", {run_matmul_integer, nullptr, matmul_integer_scratch});
}

}  // namespace vulcap::cpu
#endif
