#pragma once
#include <ATen/core/Tensor.h>

namespace vectune {

/// Cosine similarities of u and v [… × dimension], in their type: u·v / (max(|u|, ε)·max(|v|, ε)), ε = 1e-8
/// (torch.cosine_similarity).
struct Cosines {
  at::Tensor u, v, norm_u, norm_v, value;  // norms, at least ε, and values: [… × 1]

  static Cosines of(const at::Tensor& u, const at::Tensor& v);

  struct Gradient {
    at::Tensor u, v;
  };
  /// `slope` [… × 1] is the gradient of the values:  d cos/du = v/(|u||v|) − cos·u/|u|²
  Gradient backward(const at::Tensor& slope) const;
};

}  // namespace vectune
