#pragma once
#include <ATen/core/Tensor.h>

#include <string>

namespace vectune {

class LossOptions;

/// sentence-transformers' SiameseDistanceMetric, of pairs: 1 − cos (of norms at least 1e-8), or the Euclidean or
/// Manhattan length of u − v + 1e-6.
class SiameseDistance {
 public:
  /// The option `distance_metric`: 'cosine', the default, 'euclidean' or 'manhattan'.
  explicit SiameseDistance(LossOptions& options);
  /// Of pairs [rows × 2 × dimension]: [rows].
  at::Tensor of(const at::Tensor& pairs) const;

 private:
  std::string metric_;
};

}  // namespace vectune
