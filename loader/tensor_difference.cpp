#include "loader/tensor_difference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/core/mapped_file.h"

namespace vulcap::loader {
namespace {

constexpr double kSmallestRange = 1e-3;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double result = std::abs(a - b);
  return std::isnan(result) ? kInfinity : result;
}

}  // namespace

std::string type_text(const core::Tensor& tensor) {
  return std::string(core::dtype_name(tensor.dtype())) + core::shape_text(tensor.shape());
}

bool equal_content(const core::Tensor& a, const core::Tensor& b) {
  constexpr size_t kPiece = size_t(8) << 20;
  if (a.bytes().size() != b.bytes().size()) return false;
  bool equal = true;
  for (size_t at = 0; equal && a.bytes().data() != b.bytes().data() && at < a.bytes().size(); at += kPiece) {
    const auto left = a.bytes().subspan(at, std::min(kPiece, a.bytes().size() - at));
    const auto right = b.bytes().subspan(at, left.size());
    equal = std::memcmp(left.data(), right.data(), left.size()) == 0;
    if (a.file_backed()) core::MappedFile::release_pages(left);
    if (b.file_backed()) core::MappedFile::release_pages(right);
  }
  return equal;
}

TensorDifference difference(const core::Tensor& got, const core::Tensor& want) {
  TensorDifference result;
  if (got.dtype() != want.dtype() || got.shape() != want.shape()) {
    result.mismatch = "got " + type_text(got) + ", expected " + type_text(want);
    return result;
  }
  const bool exact = !core::dtype_is_float(want.dtype());
  double low = kInfinity, high = -kInfinity, squares = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double value = want.at_f64(i);
    double apart = distance(got.at_f64(i), value);
    if (exact && got.at_i64(i) != want.at_i64(i)) apart = std::max(apart, 1.0);
    result.max_abs = std::max(result.max_abs, apart);
    squares += apart * apart;
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const double range = high > low ? high - low : std::abs(high);  // of one number: its magnitude
  result.max_rel = result.max_abs / std::max(range, kSmallestRange);
  if (want.size() > 0) result.rms = std::sqrt(squares / double(want.size()));
  return result;
}

}  // namespace vulcap::loader
