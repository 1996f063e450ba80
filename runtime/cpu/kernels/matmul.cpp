#include <algorithm>
#include <type_traits>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/matmul.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/few_rows-inl.h"
#include "runtime/cpu/gemm-inl.h"

#ifndef VULCAP_CPU_MATMUL_BLOCKS
#define VULCAP_CPU_MATMUL_BLOCKS
namespace vulcap::cpu::blocks {

// Rows of A packed at a time, a multiple of every tile height; and the depth of one pass, so that a panel
// stays in L2.
inline constexpr size_t kRows = 240;
inline constexpr size_t kDepth = 1024;
// Elements of B that count as small for splitting the work.
inline constexpr size_t kSharedElements = size_t{1} << 17;

inline size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Scratch: packed A for `a_slots` threads, then per slot accumulators and one panel of B.
struct Scratch {
  size_t a_bytes, accumulator_bytes, panel_bytes, slots, a_slots;

  Scratch(const abi::MatmulParams& p, size_t threads)
      : a_bytes(round_up(std::min<size_t>(kRows, p.m) * p.k * 4)),
        accumulator_bytes(round_up(std::min<size_t>(kRows, p.m) * kPanelWidth * 4)),
        panel_bytes(round_up(size_t(p.k) * kPanelWidth * 4)),
        slots(threads),
        a_slots(p.batch > 1 ? threads : 1) {}
  size_t total() const { return a_bytes * a_slots + (accumulator_bytes + panel_bytes) * slots; }
  float* a(std::byte* base, size_t slot) const { return reinterpret_cast<float*>(base + a_bytes * slot); }
  float* accumulators(std::byte* base, size_t slot) const {
    return reinterpret_cast<float*>(base + a_bytes * a_slots + (accumulator_bytes + panel_bytes) * slot);
  }
  std::byte* panel(std::byte* base, size_t slot) const {
    return base + a_bytes * a_slots + (accumulator_bytes + panel_bytes) * slot + accumulator_bytes;
  }
};

}  // namespace vulcap::cpu::blocks
#endif

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

// T: f32 or f16 activations, B: f32 or f16 weights.
template <typename T, typename B>
class Matmul {
 public:
  explicit Matmul(const CpuArgs& args)
      : args_(args), p_(args.call().params_as<abi::MatmulParams>()), scratch_(p_, size_t(args.pool.size())) {}

  void run() const {
    const size_t threads = size_t(args_.pool.size());
    const size_t work = size_t(p_.m) * p_.n * p_.k;
    if (args_.packed == nullptr && p_.batch == 1 && p_.m <= kFewRows)
      return few_rows(work > kSerialMultiplyAdds ? threads : 1);
    if (p_.batch >= 2 * threads && work * p_.batch > kSerialMultiplyAdds) {
      parallel_items(args_.pool, threads, p_.batch, [&](size_t slot, size_t b) { product(b, slot, 1); });
      return;
    }
    for (size_t b = 0; b < p_.batch; ++b) product(b, 0, work > kSerialMultiplyAdds ? threads : 1);
  }

 private:
  void few_rows(size_t threads) const {
    const FewRows split(p_, size_t(args_.pool.size()));
    const bool transposed = (p_.flags & abi::kMatmulTransB) != 0;
    auto* scratch = reinterpret_cast<float*>(args_.scratch);
    const float* a = floats_of_a(scratch);
    const size_t lda = a == scratch ? p_.k : p_.lda;
    float* all_sums = scratch + split.a_floats();
    parallel_items(args_.pool, threads, split.items(), [&](size_t, size_t item) {
      const size_t column = item / split.depths * split.block, from = item % split.depths * split.depth;
      const size_t columns = std::min(split.block, split.columns - column);
      float* sums = all_sums + item * split.sums_floats();
      std::fill_n(sums, split.sums_floats(), 0.0f);
      const B* b = args_.ptr<B>(1) + (transposed ? column * p_.ldb : from * p_.ldb + column);
      few_rows_product(transposed, p_.m, a + from, lda, b, p_.ldb, std::min(split.depth, p_.k - from),
                       columns, sums, split.step);
      if (split.depths == 1) finish(0, 0, p_.m, column, columns, sums, split.step);
    });
    for (size_t block = 0; split.depths > 1 && block < split.blocks; ++block) {
      float* sums = all_sums + block * split.depths * split.sums_floats();
      for (size_t i = 0; i < split.sums_floats(); i += kLanes) {
        VFloat sum = load(sums + i);
        for (size_t part = 1; part < split.depths; ++part)
          sum = hn::Add(sum, load(sums + part * split.sums_floats() + i));
        store(sum, sums + i);
      }
      const size_t column = block * split.block;
      finish(0, 0, p_.m, column, std::min(split.block, split.columns - column), sums, split.step);
    }
  }

  // A as f32: where it lies, or converted into `scratch`.
  const float* floats_of_a(float* scratch) const {
    const T* a = args_.ptr<T>(0) + p_.a_offset;
    if constexpr (sizeof(T) == 4) return a;
    for (size_t row = 0; row < p_.m; ++row) {
      for (size_t i = 0; i < p_.k; i += kLanes)
        store_some(load_some(a + row * p_.lda + i, p_.k - i), scratch + row * p_.k + i, p_.k - i);
    }
    return scratch;
  }

  // One matrix of the batch on `threads` threads that use the scratch slots from `slot` on.
  void product(size_t batch, size_t slot, size_t threads) const {
    // A small B stays in every thread's cache: splitting the rows then keeps packed A from moving between
    // them.
    const bool by_rows = size_t(p_.n) * p_.k <= blocks::kSharedElements && p_.m >= kGroup * threads;
    for (size_t begin = 0; begin < p_.m; begin += blocks::kRows) {
      const size_t end = std::min<size_t>(p_.m, begin + blocks::kRows), rows = end - begin;
      float* packed_a = scratch_.a(args_.scratch, slot);
      if (threads == 1 || !by_rows) {
        row_block(batch, begin, end, packed_a, slot, threads);
        continue;
      }
      parallel_items(args_.pool, threads, threads, [&](size_t own, size_t part) {
        const size_t low = rows * part / threads, high = rows * (part + 1) / threads;
        row_block(batch, begin + low, begin + high, packed_a + low * p_.k, own, 1);
      });
    }
  }

  void pack_a(size_t batch, size_t begin, size_t end, float* packed_a, size_t threads) const {
    const size_t tiles = (end - begin + kTileRows - 1) / kTileRows;
    const T* a = args_.ptr<T>(0) + p_.a_offset + batch * p_.a_batch + begin * p_.lda;
    parallel_items(args_.pool, tiles < 8 ? 1 : threads, tiles, [&](size_t, size_t item) {
      const size_t row = item * kTileRows, rows = std::min(kTileRows, end - begin - row);
      pack_rows_of_a(a + row * p_.lda, p_.lda, rows, p_.k, packed_a + row * p_.k);
    });
  }

  void row_block(size_t batch, size_t begin, size_t end, float* packed_a, size_t slot, size_t threads) const {
    const size_t tiles = (end - begin + kTileRows - 1) / kTileRows;
    const size_t panels = (p_.n + kPanelWidth - 1) / kPanelWidth;
    pack_a(batch, begin, end, packed_a, threads);
    // few rows: long runs of panels, so that each thread reads one stream; few panels: several groups of
    // tiles
    const size_t run = tiles == 1 ? std::max<size_t>(1, panels / (threads * 8)) : 1;
    const size_t runs = (panels + run - 1) / run;
    const size_t groups = threads == 1 ? 1 : std::min(tiles, (4 * threads + runs - 1) / runs);
    const size_t tiles_a_group = (tiles + groups - 1) / groups;
    parallel_items(args_.pool, threads, runs * groups, [&](size_t item_slot, size_t item) {
      const size_t own = threads == 1 ? slot : item_slot, first = item / groups * run;
      const size_t row_begin = item % groups * tiles_a_group * kTileRows;
      const size_t row_end = std::min(end - begin, row_begin + tiles_a_group * kTileRows);
      for (size_t panel = first; panel < std::min(panels, first + run) && row_begin < row_end; ++panel) {
        panel_product(batch, panel, begin, row_begin, row_end, packed_a, own);
      }
    });
  }

  struct Panel {
    const B* data;
    size_t step;
  };

  Panel panel_of(size_t batch, size_t panel, size_t rows, size_t slot) const {
    if (args_.packed != nullptr) return {reinterpret_cast<const B*>(args_.packed->panel(panel)), kPanelWidth};
    const size_t column = panel * kPanelWidth, width = std::min(kPanelWidth, p_.n - column);
    const bool transposed = (p_.flags & abi::kMatmulTransB) != 0;
    const B* b = args_.ptr<B>(1) + batch * p_.b_batch;
    if (!transposed && width == kPanelWidth && rows <= kTileRows) return {b + column, p_.ldb};
    using Raw = std::conditional_t<sizeof(B) == 4, float, uint16_t>;
    auto* packed = reinterpret_cast<Raw*>(scratch_.panel(args_.scratch, slot));
    pack_panel(reinterpret_cast<const Raw*>(b), p_.ldb, transposed, p_.k, column, width, packed);
    return {reinterpret_cast<const B*>(packed), kPanelWidth};
  }

  // Rows [row_begin, row_end) of the block that starts at row `base`, times one panel.
  void panel_product(size_t batch, size_t panel, size_t base, size_t row_begin, size_t row_end,
                     const float* packed_a, size_t slot) const {
    const Panel b = panel_of(batch, panel, row_end - row_begin, slot);
    float* accumulators = scratch_.accumulators(args_.scratch, slot);
    const bool one_pass = p_.k <= blocks::kDepth;
    size_t depth = 0;
    do {
      const size_t k = std::min<size_t>(blocks::kDepth, p_.k - depth);
      for (size_t row = row_begin; row < row_end; row += kTileRows) {
        const size_t rows = std::min(kTileRows, row_end - row);
        float* sums = accumulators + (one_pass ? 0 : (row - row_begin) * kPanelWidth);
        tile_for<B>(rows)({packed_a + row * p_.k, p_.k, depth, depth + k}, b.data, b.step, depth > 0, sums);
        if (depth + k == p_.k) {
          const size_t column = panel * kPanelWidth;
          finish(batch, base + row, rows, column, std::min(kPanelWidth, p_.n - column), sums, kPanelWidth);
        }
      }
      depth += k;
    } while (depth < p_.k);
  }

  // sums: [rows][step], the product's rows from m and columns [n, n + columns).
  void finish(size_t batch, size_t m, size_t rows, size_t n, size_t columns, const float* sums,
              size_t step) const {
    const T* bias = p_.flags & abi::kMatmulBias ? args_.ptr<T>(2) : nullptr;
    const bool per_row = (p_.flags & abi::kMatmulBiasPerRow) != 0;
    const T* residual = p_.flags & abi::kMatmulResidual ? args_.ptr<T>(3) : nullptr;
    for (size_t row = 0; row < rows; ++row) {
      const size_t at = batch * p_.c_batch + (m + row) * p_.ldc + p_.c_column + n;
      const VFloat row_bias = bias != nullptr && per_row ? splat(bias[m + row]) : hn::Zero(kFloats);
      for (size_t i = 0; i < columns; i += kLanes) {
        const size_t count = columns - i;
        VFloat bias_values = row_bias;
        if (bias != nullptr && !per_row) bias_values = load_some(bias + p_.c_column + n + i, count);
        VFloat value = hn::MulAdd(load_some(sums + row * step + i, count), set(p_.alpha), bias_values);
        value = activate(p_.act, value);
        if (residual != nullptr) value = hn::Add(value, load_some(residual + at + i, count));
        store_some(value, args_.ptr<T>(4) + at + i, count);
      }
    }
  }

  const CpuArgs& args_;
  const abi::MatmulParams& p_;
  blocks::Scratch scratch_;
};

void matmul(const CpuArgs& args) {
  const auto [storage, weights] = args.call().variant;
  const bool half = storage == core::DType::kF16, half_weights = weights == core::DType::kF16;
  if (half && half_weights) return Matmul<hwy::float16_t, hwy::float16_t>(args).run();
  if (half) return Matmul<hwy::float16_t, float>(args).run();
  if (half_weights) return Matmul<float, hwy::float16_t>(args).run();
  Matmul<float, float>(args).run();
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(matmul);

namespace {

void run_matmul(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(matmul)(args); }

bool is_float_pair(const ops::KernelCall& call) {
  const auto is_covered = [](core::DType dtype) {
    return dtype == core::DType::kF32 || dtype == core::DType::kF16;
  };
  return is_covered(call.variant.storage) && is_covered(call.variant.second);
}

size_t matmul_scratch(const ops::KernelCall& call, size_t threads) {
  const auto& p = call.params_as<abi::MatmulParams>();
  const size_t few = p.batch == 1 && p.m <= kFewRows ? FewRows(p, threads).scratch_bytes() : 0;
  return std::max(few, blocks::Scratch(p, threads).total());
}

}  // namespace

void cpu_kernel_matmul(CpuRegistry& registry) {
  registry.add("matmul", {run_matmul, is_float_pair, matmul_scratch});
}

}  // namespace vulcap::cpu
#endif
