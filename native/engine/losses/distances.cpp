#include "losses/distances.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sum.h>

#include "losses/options.h"

namespace vectune {

Distances::Metric Distances::option(LossOptions& options) {
  const bool cosine = options.word("distance_metric", "euclidean", {"euclidean", "cosine"}) == "cosine";
  return cosine ? Metric::kCosine : Metric::kEuclidean;
}

Distances::Distances(const at::Tensor& vectors, Metric metric) : metric_(metric), x_(vectors) {
  if (metric_ == Metric::kCosine) {
    units_ = Units::of(x_);
    value_ = 1 - at::matmul(units_.value, units_.value.t());
  } else {
    value_ = at::cdist(x_, x_, 2.0, /*compute_mode=*/2);  // 2: of differences
  }
}

at::Tensor Distances::backward(const at::Tensor& slope) const {
  const at::Tensor both = slope + slope.t();
  if (metric_ == Metric::kCosine) return units_.backward(-at::matmul(both, units_.value));
  const at::Tensor weight = (both / value_).masked_fill_(value_.eq(0), 0);
  return at::sum(weight, at::IntArrayRef{1}, true) * x_ - at::matmul(weight, x_);
}

}  // namespace vectune
