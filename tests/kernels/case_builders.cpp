// What each kernel's rows may say. Shapes are lists like 2,3,5; `special` mixes NaN, infinities and extremes
// into the inputs; low, high, seed, storage, second and tolerance are known to all.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "runtime/ops/kernels/element.h"
#include "shaders/abi.h"
#include "tests/kernels/builder.h"
#include "tests/kernels/families.h"

namespace vulcap::testing {
namespace {

using core::DType;
using List = std::vector<int64_t>;

struct NamedRow {
  const char* name;
  uint32_t index;
};

constexpr NamedRow kUnaryRows[] = {
#define VULCAP_UNARY(index, name, expression) {#name, index},
#include "shaders/elementwise.def"
#undef VULCAP_UNARY
};

constexpr NamedRow kPairRows[] = {
#define VULCAP_BINARY(index, name, real, integer) {#name, index},
#define VULCAP_COMPARE(index, name, expression) {#name, index},
#define VULCAP_LOGIC(index, name, expression) {#name, index},
#include "shaders/elementwise.def"
#undef VULCAP_BINARY
#undef VULCAP_COMPARE
#undef VULCAP_LOGIC
};

template <typename Rows>
uint32_t row_index(const Rows& rows, const std::string& name) {
  for (const NamedRow& row : rows) {
    if (name == row.name) return row.index;
  }
  throw std::runtime_error("no operator " + name);
}

int64_t count_of(const List& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

void set_shape(uint32_t (&target)[6], const List& shape) {
  std::fill(std::begin(target), std::end(target), 1);
  for (size_t i = 0; i < shape.size(); ++i) target[6 - shape.size() + i] = uint32_t(shape[i]);
}

// Strides under which a contiguous tensor of `shape` broadcasts to six axes.
void set_broadcast(uint32_t (&target)[6], const List& shape) {
  std::fill(std::begin(target), std::end(target), 0);
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) {
    if (shape[i] != 1) target[6 - shape.size() + i] = uint32_t(stride);
  }
}

// unary op n alpha beta inplace
void build_unary(Row& row, Builder& builder) {
  abi::UnaryParams p{};
  p.n = uint32_t(row.integer("n", 1031));
  p.op = row_index(kUnaryRows, row.text("op", "Identity"));
  p.alpha = float(row.real("alpha", 0.3));
  p.beta = float(row.real("beta", 0.7));
  const uint32_t x = builder.input(builder.storage(), p.n);
  if (row.flag("inplace")) {
    builder.bind(x, true);
  } else {
    builder.output(builder.storage(), p.n);
  }
  builder.finish(p, p.n);
}

// binary, compare, logic: op shape a b (shapes of the operands) inplace
void build_pair(Row& row, Builder& builder, DType output) {
  abi::BinaryParams p{};
  const List shape = row.list("shape", {2, 3, 5}), a = row.list("a", shape), b = row.list("b", shape);
  p.n = uint32_t(count_of(shape));
  p.op = row_index(kPairRows, row.text("op", "Add"));
  set_shape(p.shape, shape);
  set_broadcast(p.a_stride, a);
  set_broadcast(p.b_stride, b);
  const uint32_t left = builder.input(builder.storage(), size_t(count_of(a)));
  builder.input(builder.storage(), size_t(count_of(b)));
  if (row.flag("inplace")) {
    builder.bind(left, true);
  } else {
    builder.output(output, p.n);
  }
  builder.finish(p, p.n);
}

// where: shape c a b
void build_where(Row& row, Builder& builder) {
  abi::WhereParams p{};
  const List shape = row.list("shape", {2, 3, 5});
  const List c = row.list("c", shape), a = row.list("a", shape), b = row.list("b", shape);
  p.n = uint32_t(count_of(shape));
  set_shape(p.shape, shape);
  set_broadcast(p.c_stride, c);
  set_broadcast(p.a_stride, a);
  set_broadcast(p.b_stride, b);
  builder.input(DType::kBool, size_t(count_of(c)));
  builder.input(builder.storage(), size_t(count_of(a)));
  builder.input(builder.storage(), size_t(count_of(b)));
  builder.output(builder.storage(), p.n);
  builder.test().tolerance = 0;
  builder.finish(p, p.n);
}

// First and last element that an operand touches.
struct Span {
  int64_t low = 0, high = 0;
};

Span span_of(const List& shape, const List& stride) {
  Span span;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t reach = (shape[i] - 1) * stride[i];
    (reach < 0 ? span.low : span.high) += reach;
  }
  return span;
}

// copy: shape in out (strides) in_offset out_offset in_dyn out_dyn state; offsets default to what keeps
// inside
void build_copy(Row& row, Builder& builder) {
  abi::CopyParams p{};
  const List shape = row.list("shape", {2, 3, 5});
  const List in = row.list("in", {}), out = row.list("out", {});
  if (in.size() != shape.size() || out.size() != shape.size())
    throw std::runtime_error("copy: a stride an axis");
  const int64_t position = row.integer("state", 0);
  const Span source = span_of(shape, in), target = span_of(shape, out);
  p.n = uint32_t(count_of(shape));
  p.in_offset = int(row.integer("in_offset", -source.low));
  p.out_offset = int(row.integer("out_offset", -target.low));
  p.in_offset_dyn = int(row.integer("in_dyn", 0));
  p.out_offset_dyn = int(row.integer("out_dyn", 0));
  set_shape(p.shape, shape);
  for (size_t i = 0; i < shape.size(); ++i) {
    p.in_stride[6 - shape.size() + i] = int(in[i]);
    p.out_stride[6 - shape.size() + i] = int(out[i]);
  }
  builder.input(builder.storage(), size_t(p.in_offset + p.in_offset_dyn * position + source.high + 1));
  builder.output(builder.storage(), size_t(p.out_offset + p.out_offset_dyn * position + target.high + 1));
  if (p.in_offset_dyn != 0 || p.out_offset_dyn != 0) builder.bind_state(uint32_t(position));
  builder.test().tolerance = 0;
  builder.finish(p, p.n);
}

// gather: outer indices inner axis begin end; negative: indices from -axis on
void build_gather(Row& row, Builder& builder) {
  abi::GatherParams p{};
  const auto outer = uint32_t(row.integer("outer", 1));
  p.indices = uint32_t(row.integer("indices", 7));
  p.inner = uint32_t(row.integer("inner", 5));
  p.axis_size = uint32_t(row.integer("axis", 11));
  p.row_begin = uint32_t(row.integer("begin", 0));
  p.row_end = uint32_t(row.integer("end", p.axis_size));
  p.n = outer * p.indices * p.inner;
  if (builder.second() == DType::kUndefined) builder.test().call.variant.second = DType::kI64;
  builder.input(builder.storage(), size_t(outer) * (p.row_end - p.row_begin) * p.inner);
  builder.input(builder.second(), p.indices, row.flag("negative") ? -double(p.axis_size) : 0.0, p.axis_size);
  builder.output(builder.storage(), p.n);
  builder.test().tolerance = 0;
  builder.finish(p, p.n);
}

// iota: n start dyn step state
void build_iota(Row& row, Builder& builder) {
  abi::IotaParams p{};
  p.n = uint32_t(row.integer("n", 17));
  p.start = int(row.integer("start", 0));
  p.start_dyn = int(row.integer("dyn", 0));
  p.step = int(row.integer("step", 1));
  builder.output(builder.storage(), p.n);
  if (p.start_dyn != 0) builder.bind_state(uint32_t(row.integer("state", 0)));
  builder.test().tolerance = 0;
  builder.finish(p, p.n);
}

// fill: n low_word high_word
void build_fill(Row& row, Builder& builder) {
  abi::FillParams p{};
  p.n = uint32_t(row.integer("n", 17));
  p.value_low = uint32_t(row.integer("low_word", 0x3f8ccccd));
  p.value_high = uint32_t(row.integer("high_word", 0x40091eb8));
  builder.output(builder.storage(), p.n);
  builder.test().tolerance = 0;
  builder.finish(p, p.n);
}

// cast: n second (the destination)
void build_cast(Row& row, Builder& builder) {
  abi::CastParams p{};
  p.n = uint32_t(row.integer("n", 1031));
  p.flags = uint32_t(row.integer("flags", 0));
  builder.input(builder.storage(), p.n);
  builder.output(builder.second(), p.n);
  builder.test().tolerance = 0;
  builder.finish(p, p.n);
}

uint32_t activation_index(const std::string& name) {
  constexpr const char* kNames[] = {"none",       "gelu", "gelu_tanh", "relu",
                                    "quick_gelu", "silu", "tanh",      "sigmoid"};
  for (uint32_t i = 0; i < std::size(kNames); ++i) {
    if (name == kNames[i]) return i;
  }
  throw std::runtime_error("no activation " + name);
}

abi::MatmulParams matmul_params(Row& row) {
  abi::MatmulParams p{};
  p.m = uint32_t(row.integer("m", 5));
  p.n = uint32_t(row.integer("n", 7));
  p.k = uint32_t(row.integer("k", 3));
  p.batch = uint32_t(row.integer("batch", 1));
  if (row.flag("transb")) p.flags |= abi::kMatmulTransB;
  if (row.flag("bias")) p.flags |= abi::kMatmulBias;
  if (row.flag("rowbias")) p.flags |= abi::kMatmulBias | abi::kMatmulBiasPerRow;
  if (row.flag("residual")) p.flags |= abi::kMatmulResidual;
  const bool transposed = (p.flags & abi::kMatmulTransB) != 0;
  p.lda = p.k + uint32_t(row.integer("pad_a", 0));
  p.ldb = (transposed ? p.k : p.n) + uint32_t(row.integer("pad_b", 0));
  p.c_column = uint32_t(row.integer("column", 0));
  p.ldc = p.c_column + p.n + uint32_t(row.integer("pad_c", 0));
  p.a_offset = uint32_t(row.integer("a_offset", 0));
  p.a_batch = row.flag("share_a") ? 0 : p.m * p.lda;
  p.b_batch = row.flag("share_b") || p.batch == 1 ? 0 : (transposed ? p.n : p.k) * p.ldb;
  p.c_batch = p.m * p.ldc;
  p.act = activation_index(row.text("act", "none"));
  p.alpha = float(row.real("alpha", 1));
  return p;
}

// matmul: m n k batch transb bias rowbias residual inplace act alpha pad_a pad_b pad_c column a_offset
// share_a share_b second
void build_matmul(Row& row, Builder& builder) {
  const auto p = matmul_params(row);
  KernelCase& test = builder.test();
  if (builder.second() == DType::kUndefined) test.call.variant.second = builder.storage();
  const bool transposed = (p.flags & abi::kMatmulTransB) != 0;
  const size_t batches = p.batch == 0 ? 0 : p.batch - 1;
  const size_t b_rows = transposed ? p.n : p.k, c_count = batches * p.c_batch + size_t(p.m) * p.ldc;
  const uint32_t a = builder.input(builder.storage(), p.a_offset + batches * p.a_batch + size_t(p.m) * p.lda);
  builder.input(builder.second(), batches * p.b_batch + b_rows * p.ldb);
  if (p.flags & abi::kMatmulBias) {
    builder.input(builder.storage(), p.flags & abi::kMatmulBiasPerRow ? p.m : p.c_column + p.n);
  } else {
    builder.bind(a);
  }
  uint32_t residual = a;
  if (p.flags & abi::kMatmulResidual) {
    residual = builder.input(builder.storage(), c_count);
  } else {
    builder.bind(a);
  }
  if (row.flag("inplace")) {
    builder.bind(residual, true);
  } else {
    builder.output(builder.storage(), c_count);
  }
  if (p.b_batch == 0 && row.integer("pad_b", 0) == 0) {
    test.weight = transposed ? ops::WeightLayout::kMatmulNK : ops::WeightLayout::kMatmulKN;
  }
  if (builder.storage() == DType::kF32) test.tolerance = 2e-6 * std::sqrt(std::max(1.0, double(p.k)));
  builder.finish(p, p.n, p.m, p.batch);
}

// softmax: rows cols log inplace masked (some -infinity, one whole row of them)
void build_softmax(Row& row, Builder& builder) {
  abi::SoftmaxParams p{};
  p.rows = uint32_t(row.integer("rows", 3));
  p.cols = uint32_t(row.integer("cols", 17));
  p.log_output = row.flag("log") ? 1 : 0;
  const uint32_t x = builder.input(builder.storage(), size_t(p.rows) * p.cols);
  if (row.flag("masked")) {
    Bytes& bytes = builder.test().inputs[x];
    for (size_t i = 0; i < size_t(p.rows) * p.cols; i += i < p.cols ? 1 : 3) {
      set_element(builder.storage(), bytes, i, -std::numeric_limits<double>::infinity());
    }
  }
  if (row.flag("inplace")) {
    builder.bind(x, true);
  } else {
    builder.output(builder.storage(), size_t(p.rows) * p.cols);
  }
  builder.finish(p, p.rows);
}

// reduce: op (its number in abi.h) outer reduce inner
void build_reduce(Row& row, Builder& builder) {
  abi::ReduceParams p{};
  p.outer = uint32_t(row.integer("outer", 3));
  p.reduce = uint32_t(row.integer("reduce", 7));
  p.inner = uint32_t(row.integer("inner", 1));
  p.op = uint32_t(row.integer("op", 0));
  builder.input(builder.storage(), size_t(p.outer) * p.reduce * p.inner);
  builder.output(builder.storage(), size_t(p.outer) * p.inner);
  builder.finish(p, p.outer * p.inner);
}

}  // namespace

void build_case(const std::string& kernel, Row& row, Builder& builder) {
  if (build_attention_case(kernel, row, builder)) return;
  if (kernel == "unary") return build_unary(row, builder);
  if (kernel == "binary") return build_pair(row, builder, builder.storage());
  if (kernel == "compare" || kernel == "logic") return build_pair(row, builder, DType::kBool);
  if (kernel == "where") return build_where(row, builder);
  if (kernel == "copy") return build_copy(row, builder);
  if (kernel == "gather") return build_gather(row, builder);
  if (kernel == "iota") return build_iota(row, builder);
  if (kernel == "fill") return build_fill(row, builder);
  if (kernel == "cast") return build_cast(row, builder);
  if (kernel == "matmul") return build_matmul(row, builder);
  if (kernel == "softmax") return build_softmax(row, builder);
  if (kernel == "reduce") return build_reduce(row, builder);
  if (build_image_case(kernel, row, builder) || build_movement_case(kernel, row, builder) ||
      build_quantised_case(kernel, row, builder))
    return;
  throw std::runtime_error("no kernel " + kernel);
}

}  // namespace vulcap::testing
