#include "runtime/cpu/packed_matrix.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "runtime/core/mapped_file.h"
#include "runtime/cpu/parallel.h"

namespace vulcap::cpu {
namespace {

// Source bytes that may stay resident before their pages are released.
constexpr size_t kReleaseBytes = size_t{8} << 20;

template <typename T>
void pack_rows(const T* b, size_t ldb, size_t k, size_t width, T* panel) {
  for (size_t row = 0; row < k; ++row) {
    std::copy_n(b + row * ldb, width, panel + row * kPanelWidth);
    std::fill_n(panel + row * kPanelWidth + width, kPanelWidth - width, T{});
  }
}

template <typename T>
void pack_columns(const T* b, size_t ldb, size_t k, size_t width, T* panel) {
  constexpr size_t kBlock = 16;
  for (size_t begin = 0; begin < k; begin += kBlock) {
    const size_t end = std::min(k, begin + kBlock);
    for (size_t column = 0; column < kPanelWidth; ++column) {
      for (size_t row = begin; row < end; ++row) {
        panel[row * kPanelWidth + column] = column < width ? b[column * ldb + row] : T{};
      }
    }
  }
}

template <typename T>
void pack_any(const T* b, size_t ldb, bool transposed, size_t k, size_t column, size_t width, T* panel) {
  if (transposed) {
    pack_columns(b + column * ldb, ldb, k, width, panel);
  } else {
    pack_rows(b + column, ldb, k, width, panel);
  }
}

struct Source {
  size_t k = 0, n = 0, ldb = 0, n_begin = 0;
  bool transposed = false;
};

Source source_of(const plan::WeightRequest& request) {
  const auto& shape = request.tensor->shape();
  const auto rows = size_t(shape[shape.size() - 2]), columns = size_t(shape.back());
  Source source;
  source.transposed = request.layout == ops::WeightLayout::kMatmulNK;
  source.ldb = columns;
  source.k = source.transposed ? columns : rows;
  source.n_begin = request.n_begin;
  source.n = (request.n_end == 0 ? (source.transposed ? rows : columns) : request.n_end) - request.n_begin;
  return source;
}

// [n, k]: a panel reads 32 whole rows, so groups of panels go through the source in file order.
template <typename T>
void pack_transposed(const Source& source, const core::Tensor& tensor, PackedMatrix& packed,
                     core::ThreadPool& pool) {
  const T* b = tensor.as<T>().data() + source.n_begin * source.ldb;
  const size_t panels = (source.n + kPanelWidth - 1) / kPanelWidth;
  const size_t row_bytes = source.ldb * sizeof(T);
  const size_t group = std::max<size_t>(1, kReleaseBytes / (kPanelWidth * row_bytes));
  auto* target = reinterpret_cast<T*>(packed.memory.data());
  for (size_t begin = 0; begin < panels; begin += group) {
    const size_t end = std::min(panels, begin + group);
    parallel_items(pool, size_t(pool.size()), end - begin, [&](size_t, size_t item) {
      const size_t panel = begin + item, column = panel * kPanelWidth;
      pack_columns(b + column * source.ldb, source.ldb, source.k, std::min(kPanelWidth, source.n - column),
                   target + panel * source.k * kPanelWidth);
    });
    if (!tensor.file_backed()) continue;
    const size_t row_end = std::min(source.n, end * kPanelWidth);
    core::MappedFile::release_pages(tensor.bytes().subspan((source.n_begin + begin * kPanelWidth) * row_bytes,
                                                           (row_end - begin * kPanelWidth) * row_bytes));
  }
}

// [k, n]: blocks of rows are spread over all panels, so that the source is read in file order too.
template <typename T>
void pack_straight(const Source& source, const core::Tensor& tensor, PackedMatrix& packed,
                   core::ThreadPool& pool) {
  const T* b = tensor.as<T>().data() + source.n_begin;
  const size_t panels = (source.n + kPanelWidth - 1) / kPanelWidth;
  const size_t row_bytes = source.ldb * sizeof(T);
  const size_t rows_a_block = std::max<size_t>(1, kReleaseBytes / row_bytes);
  auto* target = reinterpret_cast<T*>(packed.memory.data());
  for (size_t begin = 0; begin < source.k; begin += rows_a_block) {
    const size_t rows = std::min(rows_a_block, source.k - begin);
    parallel_items(pool, size_t(pool.size()), panels, [&](size_t, size_t panel) {
      const size_t column = panel * kPanelWidth;
      pack_rows(b + begin * source.ldb + column, source.ldb, rows, std::min(kPanelWidth, source.n - column),
                target + (panel * source.k + begin) * kPanelWidth);
    });
    if (!tensor.file_backed()) continue;
    core::MappedFile::release_pages(tensor.bytes().subspan(begin * row_bytes, rows * row_bytes));
  }
}

void pack_integers(const Source& source, const core::Tensor& tensor, PackedMatrix& packed,
                   core::ThreadPool& pool) {
  const size_t panels = (source.n + kPanelWidth - 1) / kPanelWidth;
  const auto* b = tensor.as<uint8_t>().data() + source.n_begin * (source.transposed ? source.ldb : 1);
  packed.column_sums.assign(panels * kPanelWidth, 0);
  parallel_items(pool, size_t(pool.size()), panels, [&](size_t, size_t panel) {
    const size_t column = panel * kPanelWidth;
    pack_integer_panel(b, tensor.dtype() == core::DType::kU8, source.ldb, source.transposed, source.k, column,
                       std::min(kPanelWidth, source.n - column),
                       reinterpret_cast<int8_t*>(packed.memory.data()) + panel * packed.depth * kPanelWidth,
                       packed.column_sums.data() + column);
  });
  if (tensor.file_backed()) core::MappedFile::release_pages(tensor.bytes());
}

template <typename T>
void pack_all(const Source& source, const core::Tensor& tensor, PackedMatrix& packed,
              core::ThreadPool& pool) {
  if (source.transposed) {
    pack_transposed<T>(source, tensor, packed, pool);
  } else {
    pack_straight<T>(source, tensor, packed, pool);
  }
}

void make_signed(AlignedMemory& memory) {
  for (size_t i = 0; i < memory.size(); ++i) memory.data()[i] ^= std::byte{0x80};
}

}  // namespace

bool can_pack(const plan::WeightRequest& request) {
  const auto dtype = request.tensor->dtype();
  const auto& shape = request.tensor->shape();
  if (request.layout == ops::WeightLayout::kPlain || shape.size() < 2 || request.tensor->size() == 0)
    return false;
  const std::string_view kernel = ops::kernels()[request.kernel].name;
  const bool real = dtype == core::DType::kF32 || dtype == core::DType::kF16;
  const bool bytes = dtype == core::DType::kI8 || dtype == core::DType::kU8;
  if (request.layout == ops::WeightLayout::kBlocks) return false;
  if (kernel == "matmul_integer" || kernel == "matmul_quantized" ? !bytes : !real) return false;
  return std::all_of(shape.begin(), shape.end() - 2, [](int64_t dim) { return dim == 1; });
}

std::unique_ptr<PackedMatrix> pack_matrix(const plan::WeightRequest& request, core::ThreadPool& pool) {
  const Source source = source_of(request);
  const size_t panels = (source.n + kPanelWidth - 1) / kPanelWidth;
  auto packed = std::make_unique<PackedMatrix>();
  packed->dtype = request.tensor->dtype();
  packed->k = source.k;
  packed->n = source.n;
  packed->source = request.layout;
  const bool integers = ops::kernels()[request.kernel].name == "matmul_integer";
  packed->depth = integers ? (source.k + 3) / 4 * 4 : source.k;
  packed->memory = AlignedMemory(panels * packed->depth * kPanelWidth * core::dtype_bytes(packed->dtype, 1));
  if (integers) {
    pack_integers(source, *request.tensor, *packed, pool);
  } else if (packed->dtype == core::DType::kF32) {
    pack_all<float>(source, *request.tensor, *packed, pool);
  } else if (packed->dtype == core::DType::kF16) {
    pack_all<uint16_t>(source, *request.tensor, *packed, pool);
  } else {
    pack_all<uint8_t>(source, *request.tensor, *packed, pool);
    if (packed->dtype == core::DType::kU8) make_signed(packed->memory);
  }
  return packed;
}

void pack_panel(const float* b, size_t ldb, bool transposed, size_t k, size_t column, size_t width,
                float* panel) {
  pack_any(b, ldb, transposed, k, column, width, panel);
}

void pack_panel(const uint16_t* b, size_t ldb, bool transposed, size_t k, size_t column, size_t width,
                uint16_t* panel) {
  pack_any(b, ldb, transposed, k, column, width, panel);
}

void pack_integer_panel(const uint8_t* b, bool is_unsigned, size_t ldb, bool transposed, size_t k,
                        size_t column, size_t width, int8_t* panel, int32_t* sums) {
  const uint8_t flip = is_unsigned ? 0x80 : 0;
  const size_t groups = (k + 3) / 4;
  std::memset(panel, 0, groups * 4 * kPanelWidth);
  std::fill_n(sums, kPanelWidth, 0);
  for (size_t group = 0; group < groups; ++group) {
    const size_t rows = std::min<size_t>(4, k - group * 4);
    int8_t* to = panel + group * 4 * kPanelWidth;
    for (size_t row = 0; row < rows; ++row) {
      const size_t at = group * 4 + row;
      const uint8_t* from = transposed ? b + column * ldb + at : b + at * ldb + column;
      const size_t step = transposed ? ldb : 1;
      for (size_t i = 0; i < width; ++i) {
        const auto value = int8_t(from[i * step] ^ flip);
        to[i * 4 + row] = value;
        sums[i] += value;
      }
    }
  }
}

}  // namespace vulcap::cpu
