#include "losses/device_cosine_mse.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>

namespace vectune::device::cosine_mse {

namespace {

constexpr double kEps = 1e-8;  // torch.cosine_similarity

struct Cosines {
  at::Tensor u, v, norm_u, norm_v, value;  // [pairs × dimension], [pairs × 1]; norms already at least ε
};

Cosines cosines(const at::Tensor& embeddings) {
  const at::Tensor pairs = embeddings.view({embeddings.size(0) / 2, 2, embeddings.size(1)});
  Cosines c;
  c.u = pairs.select(1, 0);
  c.v = pairs.select(1, 1);
  const at::Tensor norms = at::linalg_vector_norm(pairs, 2, at::IntArrayRef{2}, true).clamp_min_(kEps);
  c.norm_u = norms.select(1, 0);
  c.norm_v = norms.select(1, 1);
  c.value = at::sum(c.u * c.v, at::IntArrayRef{1}, true) / (c.norm_u * c.norm_v);
  return c;
}

}  // namespace

at::Tensor similarities(const at::Tensor& embeddings) { return cosines(embeddings).value.squeeze(1); }

Loss loss_and_gradient(const at::Tensor& embeddings, const at::Tensor& scores, int64_t pairs_in_loss,
                       const at::Tensor& scale) {
  const auto count = static_cast<double>(pairs_in_loss);
  const Cosines c = cosines(embeddings);
  const at::Tensor difference = c.value - scores.unsqueeze(1);
  const at::Tensor share = at::sum(difference * difference) / count;
  at::Tensor slope = difference * (2.0 / count);
  if (scale.defined()) slope = slope * scale;
  // d cos/du = v/(|u||v|) − cos·u/|u|²
  const at::Tensor across = slope / (c.norm_u * c.norm_v), along = slope * c.value;
  const at::Tensor du = across * c.v - along / (c.norm_u * c.norm_u) * c.u;
  const at::Tensor dv = across * c.u - along / (c.norm_v * c.norm_v) * c.v;
  return {share, at::stack({du, dv}, 1).view(embeddings.sizes())};
}

}  // namespace vectune::device::cosine_mse
