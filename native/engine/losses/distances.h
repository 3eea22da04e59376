#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "losses/unit.h"

namespace vectune {

class LossOptions;

/// Distances of all vectors [n × dimension] to all, in their type: Euclidean, or 1 − cosine.
///
/// sentence-transformers takes Euclidean ones of dot products, whose last bits depend on the order of sums, so that
/// equal vectors are some 1e-3 apart in fp32; here they are taken of differences, and equal vectors are 0 apart. The
/// gradient of a distance of 0 is 0.
class Distances {
 public:
  enum class Metric { kEuclidean, kCosine };
  /// The option `distance_metric`: 'euclidean', the default, or 'cosine'.
  static Metric option(LossOptions& options);

  Distances(const at::Tensor& vectors, Metric metric);
  const at::Tensor& value() const { return value_; }
  /// `slope` [n × n] is the gradient of the values:  dx_i = Σ_j (slope_ij + slope_ji) (x_i − x_j) / d_ij
  at::Tensor backward(const at::Tensor& slope) const;

 private:
  Metric metric_;
  at::Tensor x_, value_;
  Units units_;
};

}  // namespace vectune
