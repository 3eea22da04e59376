#include "losses/cosine.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sum.h>

namespace vectune {

namespace {

constexpr double kEps = 1e-8;

at::Tensor norms(const at::Tensor& x) {
  return at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}, true).clamp_min_(kEps);
}

}  // namespace

Cosines Cosines::of(const at::Tensor& u, const at::Tensor& v) {
  Cosines c{u, v, norms(u), norms(v), {}};
  c.value = at::sum(u * v, at::IntArrayRef{-1}, true) / (c.norm_u * c.norm_v);
  return c;
}

Cosines::Gradient Cosines::backward(const at::Tensor& slope) const {
  const at::Tensor across = slope / (norm_u * norm_v), along = slope * value;
  return {across * v - along / (norm_u * norm_u) * u, across * u - along / (norm_v * norm_v) * v};
}

}  // namespace vectune
