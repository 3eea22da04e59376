#pragma once
#include <ATen/core/Tensor.h>

namespace vectune {

/// x / max(|x|, ε) of vectors [… × dimension], ε = 1e-12 (torch.nn.functional.normalize). A vector of length zero stays
/// it, and its gradient is the value's over ε, as there.
struct Units {
  at::Tensor value, norm;  // norm, at least ε: [… × 1]

  static Units of(const at::Tensor& x, double eps = 1e-12);
  /// Of a gradient of the values:  dx = (g − x̂ (x̂·g)) / |x|
  at::Tensor backward(const at::Tensor& gradient) const;
};

}  // namespace vectune
