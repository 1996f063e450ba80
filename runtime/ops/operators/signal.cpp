// DFT-20 and STFT-17 as products with the matrix of the transform; HannWindow, HammingWindow, BlackmanWindow
// and MelWeightMatrix, whose content is known with their sizes.
#include <cmath>

#include "runtime/ops/compose.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"
#include "runtime/ops/window.h"

namespace vulcap::ops {
namespace {

constexpr int64_t kMostMatrixElements = int64_t{1} << 28;

// y[m] = sum over t < used of x[t] e^(-2 pi i m t / length), or its inverse.
struct Transform {
  int64_t length = 0;                   // of the signal
  int64_t used = 0;                     // elements that are there; the others count as 0
  int64_t in_parts = 1, out_parts = 2;  // 1: real, 2: real and imaginary
  int64_t bins = 0;                     // elements of the result
  bool inverse = false;
  bool one_sided_input = false;  // the other half of the spectrum is the conjugate of this one
};

// [used * in_parts, bins * out_parts]
core::Tensor transform_matrix(const Transform& t, DType dtype) {
  core::Tensor matrix(dtype, {t.used * t.in_parts, t.bins * t.out_parts});
  std::byte* bytes = matrix.mutable_bytes().data();
  for (int64_t row = 0; row < t.used * t.in_parts; ++row) {
    const int64_t at = row / t.in_parts, part = row % t.in_parts;
    const bool once = !t.one_sided_input || at == 0 || 2 * at == t.length;
    const double scale = (t.inverse ? 1.0 / double(t.length) : 1.0) * (once ? 1 : 2);
    for (int64_t column = 0; column < t.bins * t.out_parts; ++column) {
      const double angle =
          (t.inverse ? 2 : -2) * M_PI * double(column / t.out_parts * at % t.length) / double(t.length);
      const int64_t to = column % t.out_parts;
      const double value = part == to ? std::cos(angle) : part == 0 ? std::sin(angle) : -std::sin(angle);
      store_real(dtype, bytes, size_t(row * t.bins * t.out_parts + column), scale * value);
    }
  }
  return matrix;
}

void check_size(const InferContext& c, const Transform& t) {
  if (t.length < 1) c.fail("the transform has no elements");
  if (t.used * t.in_parts > kMostMatrixElements / (t.bins * t.out_parts))
    c.fail("a transform of " + std::to_string(t.length) + " elements is larger than is supported");
}

// ---- DFT: input [..., parts], dft_length, axis ----
size_t dft_axis(const InferContext& c) {
  const int64_t axis = c.has(2) ? c.need_constants(2)[0] : -2;
  return c.axis(axis, c.rank(0));
}

Transform read_dft(const InferContext& c) {
  const core::Shape shape = known_shape(c, 0);
  if (shape.size() < 2 || shape.back() < 1 || shape.back() > 2)
    c.fail("the last axis must hold real or complex numbers");
  const int64_t size = shape[dft_axis(c)];
  const bool one_sided = c.attributes().integer("onesided", 0) != 0;
  Transform t;
  t.inverse = c.attributes().integer("inverse", 0) != 0;
  t.one_sided_input = t.inverse && one_sided;
  t.length = c.has(1) ? c.need_constants(1)[0] : t.one_sided_input ? 2 * (size - 1) : size;
  t.in_parts = shape.back();
  t.out_parts = t.one_sided_input ? 1 : 2;
  t.bins = one_sided && !t.inverse ? t.length / 2 + 1 : t.length;
  t.used = std::min(size, t.one_sided_input ? t.length / 2 + 1 : t.length);
  check_size(c, t);
  return t;
}

void infer_dft(InferContext& c) {
  const Transform t = read_dft(c);
  SymShape to = c.shape(0);
  to[dft_axis(c)] = Dim(t.bins);
  to.back() = Dim(t.out_parts);
  c.set(0, c.dtype(0), std::move(to));
}

// The elements of the axis that are used, as rows.
void lower_dft(LowerContext& c) {
  const InferContext rule(c.graph(), c.node());
  const Transform t = read_dft(rule);
  const size_t axis = dft_axis(rule);
  const core::Shape from = c.shape(0), to = c.static_shape(c.out(0));
  const AxisSplit split = split_at_axis({from.begin(), from.end() - 1}, axis);
  Compose compose(c);
  const auto strides_of = [&](int64_t size, int64_t parts) {
    return std::vector<int64_t>{size * split.inner * parts, parts, split.inner * parts, 1};
  };
  const core::Shape rows{split.outer, split.inner, t.used, t.in_parts};
  const ValueId x = c.temp(c.dtype(0), rows);
  emit_copy(c, c.in(0), x, {rows, strides_of(split.size, t.in_parts), row_major_strides(rows)});
  const ValueId matrix = compose.view(compose.constant(transform_matrix(t, c.dtype(0))),
                                      {1, t.used * t.in_parts, t.bins * t.out_parts});
  const ValueId y =
      compose.matmul(compose.view(x, {1, split.outer * split.inner, t.used * t.in_parts}), matrix);
  const core::Shape result{split.outer, split.inner, t.bins, t.out_parts};
  emit_copy(c, y, c.out(0), {result, row_major_strides(result), strides_of(t.bins, t.out_parts)});
}

// ---- STFT: signal [batch, length, parts], frame_step, window, frame_length ----
struct Frames {
  int64_t batch = 0, count = 0, step = 0;
  Transform transform;
};

Frames read_stft(const InferContext& c) {
  core::Shape shape = known_shape(c, 0);
  if (shape.size() == 2) shape.push_back(1);
  if (shape.size() != 3 || shape[2] < 1 || shape[2] > 2) c.fail("the signal must be [batch, length, 1 or 2]");
  Frames f;
  f.batch = shape[0];
  f.step = c.need_constants(1)[0];
  Transform& t = f.transform;
  if (!c.has(2) && !c.has(3)) c.fail("neither window nor frame_length is given");
  t.length = t.used = c.has(3) ? c.need_constants(3)[0] : known_shape(c, 2)[0];
  t.in_parts = shape[2];
  t.bins = c.attributes().integer("onesided", 1) != 0 ? t.length / 2 + 1 : t.length;
  check_size(c, t);
  if (f.step < 1 || t.length > shape[1]) c.fail("frames do not fit a signal of " + std::to_string(shape[1]));
  f.count = (shape[1] - t.length) / f.step + 1;
  return f;
}

void infer_stft(InferContext& c) {
  const Frames f = read_stft(c);
  if (c.has(2) && !(core::product(c.shape(2)) == Dim(f.transform.length)))
    c.fail("the window does not fit the frames");
  c.set(0, c.dtype(0), {Dim(f.batch), Dim(f.count), Dim(f.transform.bins), Dim(2)});
}

void lower_stft(LowerContext& c) {
  const Frames f = read_stft(InferContext(c.graph(), c.node()));
  const Transform& t = f.transform;
  const int64_t length = c.shape(0)[1], columns = t.used * t.in_parts;
  Compose compose(c);
  const core::Shape shape{f.batch, f.count, t.used, t.in_parts};
  ValueId frames = c.temp(c.dtype(0), shape);
  emit_copy(c, c.in(0), frames,
            {shape, {length * t.in_parts, f.step * t.in_parts, t.in_parts, 1}, row_major_strides(shape)});
  if (c.has(2)) frames = compose.binary("Mul", frames, compose.view(c.in(2), {t.used, 1}));
  const ValueId matrix =
      compose.view(compose.constant(transform_matrix(t, c.dtype(0))), {1, columns, t.bins * 2});
  compose.matmul(compose.view(frames, {1, f.batch * f.count, columns}), matrix,
                 compose.view(c.out(0), {1, f.batch * f.count, t.bins * 2}));
}

// ---- windows ----
void infer_window(InferContext& c) {
  const int64_t size = c.need_constants(0)[0];
  if (size < 0) c.fail("the size is negative");
  const auto dtype = DType(c.attributes().integer("output_datatype", int64_t(DType::kF32)));
  const bool periodic = c.attributes().integer("periodic", 1) != 0;
  const std::string& op = c.node().op;
  const double a0 = op == "HannWindow" ? 0.5 : op == "HammingWindow" ? 25.0 / 46.0 : 0.42;
  const double a2 = op == "BlackmanWindow" ? 0.08 : 0.0, a1 = 1 - a0 - (op == "BlackmanWindow" ? 0.08 : 0);
  core::Tensor window(dtype, {size});
  for (int64_t i = 0; i < size; ++i) {
    const double angle = 2 * M_PI * double(i) / double(std::max<int64_t>(periodic ? size : size - 1, 1));
    store_real(dtype, window.mutable_bytes().data(), size_t(i),
               a0 - a1 * std::cos(angle) + a2 * std::cos(2 * angle));
  }
  c.set_constant(0, std::move(window));
}

// Bins of the spectrum at the edges of the mel bands.
std::vector<int64_t> mel_edges(int64_t bands, int64_t dft_length, int64_t rate, double low, double high) {
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double step = (mel(high) - mel(low)) / double(bands + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < bands + 2; ++i) {
    const double hertz = 700 * (std::pow(10.0, (mel(low) + double(i) * step) / 2595) - 1);
    edges.push_back(int64_t(std::floor(double(dft_length + 1) * hertz / double(rate))));
  }
  return edges;
}

void infer_mel_weights(InferContext& c) {
  const int64_t bands = c.need_constants(0)[0], dft_length = c.need_constants(1)[0],
                rate = c.need_constants(2)[0];
  const double low = c.need_tensor(3).at_f64(0), high = c.need_tensor(4).at_f64(0);
  const auto dtype = DType(c.attributes().integer("output_datatype", int64_t(DType::kF32)));
  const int64_t bins = dft_length / 2 + 1;
  if (bands < 0 || dft_length < 0 || rate < 1) c.fail("sizes and the rate must be positive");
  const auto edges = mel_edges(bands, dft_length, rate, low, high);
  core::Tensor weights(dtype, {bins, bands});
  const auto set = [&](int64_t bin, int64_t band, double value) {
    if (bin >= 0 && bin < bins)
      store_real(dtype, weights.mutable_bytes().data(), size_t(bin * bands + band), value);
  };
  for (int64_t i = 0; i < bands; ++i) {
    const int64_t begin = edges[size_t(i)], center = edges[size_t(i) + 1], end = edges[size_t(i) + 2];
    if (center == begin) set(center, i, 1);
    for (int64_t j = begin; center > begin && j <= center; ++j)
      set(j, i, double(j - begin) / double(center - begin));
    for (int64_t j = center; end > center && j < end; ++j) set(j, i, double(end - j) / double(end - center));
  }
  c.set_constant(0, std::move(weights));
}

}  // namespace

void register_signal(OpRegistry& registry) {
  registry.add({"DFT", "", infer_dft, lower_dft});
  registry.add({"STFT", "", infer_stft, lower_stft});
  for (const char* op : {"HannWindow", "HammingWindow", "BlackmanWindow"})
    registry.add({op, "", infer_window, nullptr});
  registry.add({"MelWeightMatrix", "", infer_mel_weights, nullptr});
}

}  // namespace vulcap::ops
