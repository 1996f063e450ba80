#include <algorithm>
#include <cstring>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/quantized_weight.h"
#include "runtime/cpu/simd_targets.h"
#include "runtime/ops/kernels/weight_tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/matmul_quantized.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/gemm-inl.h"

#ifndef VULCAP_CPU_MATMUL_QUANTIZED_SCRATCH
#define VULCAP_CPU_MATMUL_QUANTIZED_SCRATCH
namespace vulcap::cpu::quantized {

inline constexpr size_t kRows = 240;      // rows of A packed at a time, a multiple of every tile height
inline constexpr size_t kVectorRows = 4;  // up to so many rows are multiplied without making panels
inline constexpr size_t kChunk = 32;      // numbers that are unpacked together
inline constexpr size_t kMaxBlocks = 1024;

inline size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Whole chunks of four-bit numbers along k, one scale a chunk or more.
inline bool in_chunks(const abi::MatmulQuantizedParams& p) {
  return p.bits == 4 && p.b_k == 1 && p.block % kChunk == 0 && p.b_n % p.block == 0 &&
         p.b_n / p.block <= kMaxBlocks && (p.flags & (abi::kWeightFlatBlocks | abi::kWeightSigned)) == 0;
}

// One scale and zero point a column.
inline bool by_column(const abi::MatmulQuantizedParams& p) { return p.block >= p.k && p.bits == 8; }

struct Scratch {
  size_t a_bytes, sums_bytes, panel_bytes;

  explicit Scratch(const abi::MatmulQuantizedParams& p) {
    const size_t rows = std::min<size_t>(kRows, p.m),
                 depth = (size_t(p.k) + p.block) / kChunk * kChunk + kChunk;
    a_bytes = round_up(rows * depth * 4);
    sums_bytes = round_up(rows * (depth / kChunk + 1) * 4);
    panel_bytes = round_up(size_t(p.k) * kPanelWidth * 4);
  }
  size_t total(size_t threads) const { return a_bytes + sums_bytes + panel_bytes * threads; }
};

}  // namespace vulcap::cpu::quantized
#endif

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

using quantized::kChunk;

// `numbers` in [0, 16) as the values they stand for.
HWY_INLINE VFloat look_up(const float* table, hn::Vec<Ints> numbers) {
  if constexpr (kLanes == 16) {
    return hn::TableLookupLanes(hn::LoadU(kFloats, table), hn::IndicesFromVec(kFloats, numbers));
  } else {
    return hn::GatherIndex(kFloats, table, numbers);
  }
}

template <typename T>
class QuantizedMatmul {
 public:
  explicit QuantizedMatmul(const CpuArgs& args)
      : args_(args),
        p_(args.call().params_as<abi::MatmulQuantizedParams>()),
        weight_(args.args, args.packed),
        scratch_(p_),
        packed_a_(reinterpret_cast<float*>(args.scratch)),
        sums_(reinterpret_cast<float*>(args.scratch + scratch_.a_bytes)) {}

  void run() const {
    if (p_.m == 0 || p_.n == 0) return;
    if (p_.m <= quantized::kVectorRows && quantized::in_chunks(p_) && p_.k > 0) return vector_products();
    const size_t threads = size_t(p_.m) * p_.n * p_.k > kSerialMultiplyAdds ? size_t(args_.pool.size()) : 1;
    const size_t panels = (p_.n + kPanelWidth - 1) / kPanelWidth;
    for (size_t begin = 0; begin < p_.m; begin += quantized::kRows) {
      const size_t rows = std::min<size_t>(quantized::kRows, p_.m - begin);
      pack_a(begin, rows, threads);
      const size_t run = rows <= kTileRows ? std::max<size_t>(1, panels / (threads * 8)) : 1;
      parallel_items(args_.pool, threads, (panels + run - 1) / run, [&](size_t slot, size_t item) {
        for (size_t panel = item * run; panel < std::min(panels, (item + 1) * run); ++panel)
          panel_product(begin, rows, panel, slot);
      });
    }
  }

 private:
  void pack_a(size_t begin, size_t rows, size_t threads) const {
    const size_t tiles = (rows + kTileRows - 1) / kTileRows;
    parallel_items(args_.pool, tiles < 8 ? 1 : threads, tiles, [&](size_t, size_t tile) {
      const size_t row = tile * kTileRows, count = std::min(kTileRows, rows - row);
      const T* a = args_.ptr<T>(0) + (begin + row) * p_.lda;
      pack_rows_of_a(a, p_.lda, count, p_.k, packed_a_ + row * p_.k);
      for (size_t i = 0; i < count; ++i) sums_[row + i] = sum_of(a + i * p_.lda);
    });
  }

  float sum_of(const T* a) const {
    VFloat sum = hn::Zero(kFloats);
    for (size_t k = 0; k < p_.k; k += kLanes) sum = hn::Add(sum, load_some(a + k, p_.k - k));
    return hn::GetLane(hn::SumOfLanes(kFloats, sum));
  }

  // Bytes with one scale a column are multiplied as they are; others become a panel of floats first.
  void panel_product(size_t begin, size_t rows, size_t panel, size_t slot) const {
    HWY_ALIGN float tile_sums[kTileRows * kPanelWidth];
    const bool direct = args_.packed != nullptr && quantized::by_column(p_);
    float* floats = reinterpret_cast<float*>(args_.scratch + scratch_.a_bytes + scratch_.sums_bytes +
                                             slot * scratch_.panel_bytes);
    if (!direct) quantized::in_chunks(p_) ? chunk_panel(panel, floats) : weight_.dequantise(panel, floats);
    HWY_ALIGN float scales[kPanelWidth] = {}, zeros[kPanelWidth] = {};
    const float shift = direct && args_.packed->dtype == core::DType::kU8 ? 128.0f : 0.0f;
    for (size_t i = 0; i < std::min(kPanelWidth, p_.n - panel * kPanelWidth) && direct; ++i) {
      scales[i] = weight_.scale(0, panel * kPanelWidth + i);
      zeros[i] = weight_.zero(0, panel * kPanelWidth + i) - shift;
    }
    for (size_t row = 0; row < rows; row += kTileRows) {
      const size_t count = std::min(kTileRows, rows - row);
      const PackedRows a{packed_a_ + row * p_.k, p_.k, 0, p_.k};
      if (direct) {
        tile_for<int8_t>(count)(a, reinterpret_cast<const int8_t*>(args_.packed->panel(panel)), kPanelWidth,
                                false, tile_sums);
      } else {
        tile_for<float>(count)(a, floats, kPanelWidth, false, tile_sums);
      }
      for (size_t i = 0; i < count; ++i) {
        float* line = tile_sums + i * kPanelWidth;
        if (direct) apply_scale(line, scales, zeros, sums_[row + i]);
        finish(begin + row + i, panel * kPanelWidth, std::min(kPanelWidth, p_.n - panel * kPanelWidth), line);
      }
    }
  }

  // A panel of four-bit numbers: a chunk of each column is unpacked along k, then the chunks are transposed.
  void chunk_panel(size_t panel, float* to) const {
    HWY_ALIGN float rows[kPanelWidth][kChunk];
    const size_t column = panel * kPanelWidth, width = std::min(kPanelWidth, p_.n - column);
    const bool table = (p_.flags & (abi::kWeightNf4 | abi::kWeightFp4)) != 0;
    for (size_t k = 0; k < p_.k; k += kChunk) {
      for (size_t i = 0; i < width; ++i)
        table ? unpack<true>(k, column + i, rows[i]) : unpack<false>(k, column + i, rows[i]);
      for (size_t d = 0; d < std::min<size_t>(kChunk, p_.k - k); ++d) {
        for (size_t i = 0; i < width; ++i) to[(k + d) * kPanelWidth + i] = rows[i][d];
      }
    }
  }

  template <bool kTable>
  void unpack(size_t k, size_t n, float* row) const {
    using Bytes = hn::Rebind<uint8_t, Ints>;
    const float* table = p_.flags & abi::kWeightNf4 ? ops::kNf4Values : ops::kFp4Values;
    const bool high_first = (p_.flags & abi::kWeightHighFirst) != 0;
    const auto* from = args_.ptr<uint8_t>(1) + (n * p_.b_n + k) / 2;
    const VFloat scale = set(weight_.scale(k, n)), zero = set(kTable ? 0.0f : weight_.zero(k, n));
    for (size_t i = 0; i < kChunk / 2; i += kLanes) {
      const auto bytes = hn::PromoteTo(Ints(), hn::LoadU(Bytes(), from + i));
      const auto low = hn::And(bytes, hn::Set(Ints(), 15)), high = hn::ShiftRight<4>(bytes);
      const VFloat w0 = kTable ? look_up(table, low) : hn::ConvertTo(kFloats, low);
      const VFloat w1 = kTable ? look_up(table, high) : hn::ConvertTo(kFloats, high);
      const VFloat first = hn::Mul(hn::Sub(w0, zero), scale), second = hn::Mul(hn::Sub(w1, zero), scale);
      hn::StoreInterleaved2(high_first ? second : first, high_first ? first : second, kFloats, row + 2 * i);
    }
  }

  static void apply_scale(float* line, const float* scales, const float* zeros, float row_sum) {
    for (size_t i = 0; i < kPanelWidth; i += kLanes) {
      const VFloat shifted = hn::NegMulAdd(load(zeros + i), set(row_sum), load(line + i));
      store(hn::Mul(shifted, load(scales + i)), line + i);
    }
  }

  void finish(size_t m, size_t n, size_t columns, const float* line) const {
    const T* bias = p_.flags & abi::kWeightBias ? args_.ptr<T>(4) + p_.c_column + n : nullptr;
    const size_t at = m * p_.ldc + p_.c_column + n;
    for (size_t i = 0; i < columns; i += kLanes) {
      const size_t count = columns - i;
      VFloat value = load_some(line + i, count);
      if (bias != nullptr) value = hn::Add(value, load_some(bias + i, count));
      value = activate(p_.act, value);
      if (p_.flags & abi::kWeightResidual) value = hn::Add(value, load_some(args_.ptr<T>(5) + at + i, count));
      store_some(value, args_.ptr<T>(6) + at + i, count);
    }
  }

  size_t chunks() const { return p_.b_n / kChunk; }

  // A row of A in the order in which a chunk is unpacked: the 16 numbers of the low bits, then those of the
  // high bits.
  void order_a(size_t row) const {
    const size_t low = p_.flags & abi::kWeightHighFirst ? 1 : 0, blocks = p_.b_n / p_.block;
    float* to = packed_a_ + row * chunks() * kChunk;
    std::fill_n(sums_ + row * blocks, blocks, 0.0f);
    HWY_ALIGN float lanes[kChunk + kLanes];
    for (size_t chunk = 0; chunk < chunks(); ++chunk, to += kChunk) {
      const size_t begin = chunk * kChunk, count = begin < p_.k ? std::min<size_t>(kChunk, p_.k - begin) : 0;
      std::fill_n(lanes, kChunk, 0.0f);
      for (size_t i = 0; i < count; i += kLanes)
        store_some(load_some(args_.ptr<T>(0) + row * p_.lda + begin + i, count - i), lanes + i, count - i);
      float sum = 0;
      for (size_t i = 0; i < kChunk / 2; ++i) {
        to[i] = lanes[2 * i + low];
        to[kChunk / 2 + i] = lanes[2 * i + 1 - low];
        sum += lanes[2 * i] + lanes[2 * i + 1];
      }
      sums_[row * blocks + begin / p_.block] += sum;
    }
  }

  void vector_products() const {
    for (size_t row = 0; row < p_.m; ++row) order_a(row);
    const size_t threads = size_t(p_.n) * p_.k > kSerialMultiplyAdds ? size_t(args_.pool.size()) : 1;
    const size_t groups = (p_.n + kPanelWidth - 1) / kPanelWidth;
    parallel_items(args_.pool, threads, groups, [&](size_t, size_t group) {
      const size_t begin = group * kPanelWidth, end = std::min<size_t>(p_.n, begin + kPanelWidth);
      switch (p_.m) {
        case 1:
          return columns<1>(begin, end);
        case 2:
          return columns<2>(begin, end);
        case 3:
          return columns<3>(begin, end);
        default:
          return columns<4>(begin, end);
      }
    });
  }

  template <size_t kCount>
  void columns(size_t begin, size_t end) const {
    HWY_ALIGN float lines[kCount][kPanelWidth] = {};
    HWY_ALIGN float scales[quantized::kMaxBlocks + kLanes], shifts[quantized::kMaxBlocks + kLanes];
    const bool table = (p_.flags & (abi::kWeightNf4 | abi::kWeightFp4)) != 0;
    for (size_t n = begin; n < end; ++n) {
      take_scales(n, scales, shifts);
      float results[kCount];
      table ? column<kCount, true>(n, scales, shifts, results)
            : column<kCount, false>(n, scales, shifts, results);
      for (size_t row = 0; row < kCount; ++row) lines[row][n - begin] = results[row];
    }
    for (size_t row = 0; row < kCount; ++row) finish(row, begin, end - begin, lines[row]);
  }

  // The scales of a column's blocks, and scale times zero point.
  void take_scales(size_t n, float* scales, float* shifts) const {
    const size_t blocks = p_.b_n / p_.block;
    const bool given = (p_.flags & (abi::kWeightZero | abi::kWeightZeroReal)) != 0;
    if (core::DType(p_.scale_type) == core::DType::kF32 && p_.s_k == 1) {
      std::memcpy(scales, args_.ptr<float>(2) + n * p_.s_n, blocks * sizeof(float));
    } else {
      for (size_t i = 0; i < blocks; ++i) scales[i] = weight_.scale(i * p_.block, n);
    }
    for (size_t i = 0; i < blocks && given; ++i) shifts[i] = scales[i] * weight_.zero(i * p_.block, n);
    for (size_t i = 0; i < blocks && !given; i += kLanes)
      store(hn::Mul(load(scales + i), set(p_.zero)), shifts + i);
  }

  // The sum over a column of numbers times A, block by block, less the zero points' share.
  template <size_t kCount, bool kTable>
  void column(size_t n, const float* scales, const float* shifts, float* results) const {
    using Bytes = hn::Rebind<uint8_t, Ints>;
    const float* table = p_.flags & abi::kWeightNf4 ? ops::kNf4Values : ops::kFp4Values;
    const auto* from = args_.ptr<uint8_t>(1) + n * p_.b_n / 2;
    const size_t per_block = p_.block / kChunk, blocks = p_.b_n / p_.block, row_floats = p_.b_n;
    VFloat sum[kCount];
    for (size_t row = 0; row < kCount; ++row) sum[row] = hn::Zero(kFloats);
    const float* a = packed_a_;
    for (size_t block = 0; block < blocks; ++block) {
      VFloat part[kCount];
      for (size_t row = 0; row < kCount; ++row) part[row] = hn::Zero(kFloats);
      for (size_t chunk = 0; chunk < per_block; ++chunk, from += kChunk / 2, a += kChunk) {
#pragma GCC unroll 4
        for (size_t i = 0; i < kChunk / 2; i += kLanes) {
          const auto bytes = hn::PromoteTo(Ints(), hn::LoadU(Bytes(), from + i));
          const auto low = hn::And(bytes, hn::Set(Ints(), 15)), high = hn::ShiftRight<4>(bytes);
          const VFloat w0 = kTable ? look_up(table, low) : hn::ConvertTo(kFloats, low);
          const VFloat w1 = kTable ? look_up(table, high) : hn::ConvertTo(kFloats, high);
#pragma GCC unroll 4
          for (size_t row = 0; row < kCount; ++row) {
            part[row] = hn::MulAdd(w0, load(a + row * row_floats + i), part[row]);
            part[row] = hn::MulAdd(w1, load(a + row * row_floats + i + kChunk / 2), part[row]);
          }
        }
      }
#pragma GCC unroll 4
      for (size_t row = 0; row < kCount; ++row)
        sum[row] = hn::MulAdd(part[row], set(scales[block]), sum[row]);
    }
    for (size_t row = 0; row < kCount; ++row) {
      for (size_t block = 0; block < blocks && !kTable; block += kLanes) {
        const size_t count = blocks - block;
        sum[row] = hn::NegMulAdd(load_some(shifts + block, count),
                                 load_some(sums_ + row * blocks + block, count), sum[row]);
      }
      results[row] = hn::GetLane(hn::SumOfLanes(kFloats, sum[row]));
    }
  }

  const CpuArgs& args_;
  const abi::MatmulQuantizedParams& p_;
  QuantizedWeight weight_;
  quantized::Scratch scratch_;
  float* packed_a_;
  float* sums_;
};

void matmul_quantized(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return QuantizedMatmul<hwy::float16_t>(args).run();
  QuantizedMatmul<float>(args).run();
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(matmul_quantized);

namespace {

void run_matmul_quantized(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(matmul_quantized)(args); }

bool accepts_matmul_quantized(const ops::KernelCall& call) {
  const auto& p = call.params_as<abi::MatmulQuantizedParams>();
  const auto covered = [](core::DType dtype) {
    return dtype == core::DType::kF32 || dtype == core::DType::kF16;
  };
  return covered(call.variant.storage) && covered(core::DType(p.scale_type));
}

size_t matmul_quantized_scratch(const ops::KernelCall& call, size_t threads) {
  return quantized::Scratch(call.params_as<abi::MatmulQuantizedParams>()).total(threads);
}

}  // namespace

void cpu_kernel_matmul_quantized(CpuRegistry& registry) {
  registry.add("matmul_quantized",
               {run_matmul_quantized, accepts_matmul_quantized, matmul_quantized_scratch});
}

}  // namespace vulcap::cpu
#endif
