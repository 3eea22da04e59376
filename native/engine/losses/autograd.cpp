#include "losses/autograd.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "losses/precision.h"
#include "runtime/alone.h"

namespace vectune {

LossValue by_autograd(const at::Tensor& vectors, const std::function<at::Tensor(const at::Tensor&)>& loss_of) {
  const at::AutoGradMode on(true);
  const at::Tensor leaf = vectors.detach().set_requires_grad(true);
  const at::Tensor loss = loss_of(leaf);
  const auto gradients = torch::autograd::grad({loss}, {leaf});
  return {loss.detach(), gradients.front()};
}

LossValue by_autograd_of_columns(const at::Tensor& vectors, const LossRows& rows,
                                 const std::function<at::Tensor(const at::Tensor&)>& loss_of) {
  const Alone alone;
  const LossValue value = by_autograd(vectors_of(rows, wide(vectors)), loss_of);
  return {value.loss, gradient_of_vectors(rows, value.gradient.contiguous(), vectors.size(0))};
}

}  // namespace vectune
