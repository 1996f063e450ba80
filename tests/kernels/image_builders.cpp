// Rows of the kernels that move windows over images, resize and normalise them.
#include <algorithm>
#include <stdexcept>

#include "shaders/abi.h"
#include "tests/kernels/builder.h"
#include "tests/kernels/families.h"

namespace vulcap::testing {
namespace {

using core::DType;
using List = std::vector<int64_t>;

// A list over the last axes; the others get `fill`.
template <typename T>
void right_align(T (&target)[3], const List& values, T fill) {
  std::fill(std::begin(target), std::end(target), fill);
  for (size_t i = 0; i < values.size(); ++i) target[3 - values.size() + i] = T(values[i]);
}

uint32_t volume(const uint32_t (&shape)[3]) { return shape[0] * shape[1] * shape[2]; }

// Window of a row: d h w (image), kernel stride pad dilation end (pads behind; as in front when not given).
template <typename Params>
void read_window(Row& row, Params& p, int (&end)[3]) {
  const List kernel = row.list("kernel", {3, 3}), pad = row.list("pad", {0, 0});
  right_align(p.in_shape, {row.integer("d", 1), row.integer("h", 7), row.integer("w", 5)}, 1u);
  right_align(p.kernel, kernel, 1u);
  right_align(p.stride, row.list("stride", {1, 1}), 1u);
  right_align(p.dilation, row.list("dilation", {1, 1}), 1u);
  right_align(p.pad, pad, 0);
  right_align(end, row.list("end", pad), 0);
  for (size_t i = 0; i < 3; ++i) {
    const int64_t reach =
        int64_t(p.in_shape[i]) + p.pad[i] + end[i] - int64_t(p.dilation[i] * (p.kernel[i] - 1)) - 1;
    p.out_shape[i] = uint32_t(reach / int64_t(p.stride[i]) + 1);
  }
}

// im2col: batch channels total first, window
void build_im2col(Row& row, Builder& builder) {
  abi::Im2colParams p{};
  int end[3];
  read_window(row, p, end);
  p.batch = uint32_t(row.integer("batch", 1));
  p.channels = uint32_t(row.integer("channels", 2));
  p.channel_stride = uint32_t(row.integer("total", p.channels));
  p.channel_begin = uint32_t(row.integer("first", 0));
  const size_t items = size_t(p.batch) * volume(p.out_shape) * p.channels * volume(p.kernel);
  builder.input(builder.storage(), size_t(p.batch) * p.channel_stride * volume(p.in_shape));
  builder.output(builder.storage(), items);
  builder.test().tolerance = 0;
  builder.finish(p, uint32_t(items));
}

uint32_t activation_code(const std::string& name) {
  constexpr const char* kNames[] = {"none",       "gelu", "gelu_tanh", "relu",
                                    "quick_gelu", "silu", "tanh",      "sigmoid"};
  for (uint32_t code = 0; code < std::size(kNames); ++code) {
    if (name == kNames[code]) return code;
  }
  throw std::runtime_error("no activation " + name);
}

// conv: batch groups in out (channels of a group) bias act, window
void build_conv(Row& row, Builder& builder) {
  abi::ConvParams p{};
  int end[3];
  read_window(row, p, end);
  p.batch = uint32_t(row.integer("batch", 1));
  p.groups = uint32_t(row.integer("groups", 1));
  p.in_channels = uint32_t(row.integer("in", 1));
  p.out_channels = uint32_t(row.integer("out", 1));
  p.act = activation_code(row.text("act", "none"));
  p.flags = row.flag("bias") ? abi::kConvBias : 0;
  const uint32_t outputs = p.groups * p.out_channels;
  builder.input(builder.storage(), size_t(p.batch) * p.groups * p.in_channels * volume(p.in_shape));
  const uint32_t weight =
      builder.input(builder.storage(), size_t(outputs) * p.in_channels * volume(p.kernel));
  if (p.flags & abi::kConvBias) {
    builder.input(builder.storage(), outputs);
  } else {
    builder.bind(weight);
  }
  const uint32_t items = p.batch * outputs * volume(p.out_shape);
  builder.output(builder.storage(), items);
  builder.finish(p, items);
}

// pool: planes op (its number in abi.h) power countpads indices columns, window
void build_pool(Row& row, Builder& builder) {
  abi::PoolParams p{};
  int end[3];
  read_window(row, p, end);
  for (size_t i = 0; i < 3; ++i) p.pad_end[i] = uint32_t(end[i]);
  p.planes = uint32_t(row.integer("planes", 6));
  p.op = uint32_t(row.integer("op", 0));
  p.power = float(row.real("power", 2));
  const bool indices = row.flag("indices");
  p.flags = (row.flag("countpads") ? abi::kPoolCountPads : 0) | (indices ? abi::kPoolIndices : 0) |
            (row.flag("columns") ? abi::kPoolColumnMajor : 0);
  const size_t items = size_t(p.planes) * volume(p.out_shape);
  builder.input(builder.storage(), size_t(p.planes) * volume(p.in_shape));
  const uint32_t y = builder.output(builder.storage(), items);
  if (indices) {
    builder.output(DType::kI64, items);
  } else {
    builder.bind(y, true);
  }
  builder.finish(p, uint32_t(items));
}

// resize: outer size out inner taps
void build_resize(Row& row, Builder& builder) {
  abi::ResizeParams p{};
  p.outer = uint32_t(row.integer("outer", 2));
  p.in_size = uint32_t(row.integer("size", 5));
  p.out_size = uint32_t(row.integer("out", 8));
  p.inner = uint32_t(row.integer("inner", 3));
  p.taps = uint32_t(row.integer("taps", 2));
  const size_t items = size_t(p.outer) * p.out_size * p.inner;
  builder.input(builder.storage(), size_t(p.outer) * p.in_size * p.inner);
  builder.input(DType::kI32, size_t(p.out_size) * p.taps, 0, p.in_size);
  builder.input(DType::kF32, size_t(p.out_size) * (p.taps + 1), -1, 1);
  builder.output(builder.storage(), items);
  builder.finish(p, uint32_t(items));
}

// deform: batch channels groups (of offsets) masked h w kernel stride pad dilation
void build_deform(Row& row, Builder& builder) {
  abi::DeformParams p{};
  abi::Im2colParams window{};
  int end[3];
  read_window(row, window, end);
  const auto last_two = [](auto& to, const auto& from) { std::copy(from + 1, from + 3, to); };
  last_two(p.in_shape, window.in_shape);
  last_two(p.out_shape, window.out_shape);
  last_two(p.kernel, window.kernel);
  last_two(p.stride, window.stride);
  last_two(p.dilation, window.dilation);
  last_two(p.pad, window.pad);
  p.batch = uint32_t(row.integer("batch", 1));
  p.channels = uint32_t(row.integer("channels", 2));
  p.offset_groups = uint32_t(row.integer("groups", 1));
  p.masked = row.flag("masked");
  const size_t places = size_t(p.batch) * p.offset_groups * volume(window.kernel) * volume(window.out_shape);
  const size_t items = size_t(p.batch) * p.channels * volume(window.kernel) * volume(window.out_shape);
  builder.input(builder.storage(), size_t(p.batch) * p.channels * volume(window.in_shape));
  const uint32_t offset = builder.input(builder.storage(), places * 2);
  if (p.masked) {
    builder.input(builder.storage(), places);
  } else {
    builder.bind(offset);
  }
  builder.output(builder.storage(), items);
  builder.finish(p, uint32_t(items));
}

void bind_or(Builder& builder, bool given, DType dtype, size_t count, uint32_t other) {
  if (given) {
    builder.input(dtype, count);
  } else {
    builder.bind(other);
  }
}

void output_or(Builder& builder, bool given, DType dtype, size_t count, uint32_t other) {
  if (given) {
    builder.output(dtype, count);
  } else {
    builder.bind(other, true);
  }
}

// layer_norm: rows cols epsilon skip bias sum rms noscale moments given; period step inner (scales by row)
void build_layer_norm(Row& row, Builder& builder) {
  abi::LayerNormParams p{};
  p.rows = uint32_t(row.integer("rows", 3));
  p.cols = uint32_t(row.integer("cols", 17));
  p.epsilon = float(row.real("epsilon", 1e-5));
  p.period = uint32_t(row.integer("period", 1));
  p.step = uint32_t(row.integer("step", 1));
  p.inner = uint32_t(row.integer("inner", 0));
  const auto flag = [&](const char* name, uint32_t bit) { p.flags |= row.flag(name) ? bit : 0; };
  flag("skip", abi::kNormSkip);
  flag("bias", abi::kNormBias);
  flag("sum", abi::kNormSum);
  flag("rms", abi::kNormRms);
  flag("noscale", abi::kNormNoScale);
  flag("moments", abi::kNormMoments);
  flag("given", abi::kNormGiven);
  if (p.inner > 0) p.flags |= abi::kNormRowScale;
  const size_t count = size_t(p.rows) * p.cols;
  const size_t scales = p.inner > 0 ? size_t(p.period) * p.step + p.cols / p.inner : p.cols;
  const uint32_t x = builder.input(builder.storage(), count);
  bind_or(builder, p.flags & abi::kNormSkip, builder.storage(), count, x);
  bind_or(builder, !(p.flags & abi::kNormNoScale), builder.storage(), scales, x);
  bind_or(builder, p.flags & abi::kNormBias, builder.storage(), scales, x);
  const uint32_t y = builder.output(builder.storage(), count);
  output_or(builder, p.flags & abi::kNormSum, builder.storage(), count, y);
  for (int i = 0; i < 2; ++i) {
    if (p.flags & abi::kNormGiven) {
      builder.input(DType::kF32, p.period, 0.1, 2);
    } else {
      output_or(builder, p.flags & abi::kNormMoments, DType::kF32, p.rows, y);
    }
  }
  builder.finish(p, p.rows);
}

// cell: kind flags (numbers of abi.h) batch hidden step steps acts alpha beta clip
void build_cell(Row& row, Builder& builder) {
  abi::CellParams p{};
  p.kind = uint32_t(row.integer("kind", 0));
  p.flags = uint32_t(row.integer("flags", 0)) | abi::kCellY;
  p.batch = uint32_t(row.integer("batch", 3));
  p.hidden = uint32_t(row.integer("hidden", 7));
  p.step = uint32_t(row.integer("step", 1));
  p.steps = uint32_t(row.integer("steps", 4));
  p.clip = float(row.real("clip", 0.5));
  const List acts = row.list("acts", {0, 1, 1});
  for (size_t i = 0; i < 3; ++i) {
    p.acts[i] = uint32_t(acts[i]);
    p.alpha[i] = float(row.real("alpha", 0.5));
    p.beta[i] = float(row.real("beta", 0.3));
  }
  const uint32_t gates = p.kind == abi::kCellLstm ? 4 : p.kind == abi::kCellRnn ? 1 : 3;
  const size_t state = size_t(p.batch) * p.hidden, line = size_t(gates) * p.hidden;
  p.gx_b = uint32_t(line);
  p.gx_t = p.batch * p.gx_b;
  p.y_b = p.hidden;
  p.y_t = p.batch * p.hidden + 5;
  p.y_offset = 2;
  builder.input(builder.storage(), p.steps * size_t(p.gx_t));
  builder.input(builder.storage(), p.batch * line);
  if (p.kind == abi::kCellReset) {
    builder.output(builder.storage(), state);
  } else {
    builder.input(builder.storage(), std::max(state, 3 * size_t(p.hidden)));
  }
  for (int i = 0; i < 2; ++i) {  // h and c, changed in place
    builder.input(builder.storage(), state);
    builder.test().call.bindings.back().written = true;
  }
  builder.input(DType::kI32, p.batch, 0, p.steps + 1);
  builder.output(builder.storage(), p.steps * size_t(p.y_t) + p.y_offset);
  builder.finish(p, uint32_t(state));
}

}  // namespace

bool build_image_case(const std::string& kernel, Row& row, Builder& builder) {
  constexpr std::pair<const char*, void (*)(Row&, Builder&)> kBuilders[] = {
      {"im2col", build_im2col}, {"conv", build_conv},     {"pool", build_pool},
      {"resize", build_resize}, {"deform", build_deform}, {"layer_norm", build_layer_norm},
      {"cell", build_cell},
  };
  for (const auto& [name, build] : kBuilders) {
    if (kernel != name) continue;
    build(row, builder);
    return true;
  }
  return false;
}

}  // namespace vulcap::testing
