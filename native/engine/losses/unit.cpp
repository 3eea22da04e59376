#include "losses/unit.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sum.h>

namespace vectune {

Units Units::of(const at::Tensor& x, double eps) {
  const at::Tensor norm = at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}, true).clamp_min(eps);
  return {x / norm, norm};
}

at::Tensor Units::backward(const at::Tensor& gradient) const {
  return (gradient - value * at::sum(value * gradient, at::IntArrayRef{-1}, true)) / norm;
}

}  // namespace vectune
