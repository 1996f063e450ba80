// How far one tensor is from another.
#pragma once

#include <string>

#include "runtime/core/tensor.h"

namespace vulcap::loader {

struct TensorDifference {
  std::string mismatch;  // "got f32[2], expected f32[3]": nothing was compared; empty otherwise
  double max_abs =
      0;  // largest absolute difference; infinite where one of the numbers is and where one is NaN
  double max_rel = 0;  // the same as a share of the expected range (largest minus smallest, at least 1e-3)
  double rms = 0;      // root of the mean square of the differences
};

// "f32[2,3]"
std::string type_text(const core::Tensor& tensor);

// Whether both hold the same bytes; looked at in pieces, so that two large tensors of files are never
// resident together.
bool equal_content(const core::Tensor& a, const core::Tensor& b);

// Equal infinities and two NaNs do not differ. Integers that differ beyond a double's precision differ by 1.
TensorDifference difference(const core::Tensor& got, const core::Tensor& want);

}  // namespace vulcap::loader
