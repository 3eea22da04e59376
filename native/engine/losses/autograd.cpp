#include "losses/autograd.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

namespace vectune {

LossValue by_autograd(const at::Tensor& vectors, const std::function<at::Tensor(const at::Tensor&)>& loss_of) {
  const at::AutoGradMode on(true);
  const at::Tensor leaf = vectors.detach().set_requires_grad(true);
  const at::Tensor loss = loss_of(leaf);
  const auto gradients = torch::autograd::grad({loss}, {leaf});
  return {loss.detach(), gradients.front()};
}

}  // namespace vectune
