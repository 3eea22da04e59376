#include "losses/autograd.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "losses/precision.h"
#include "runtime/alone.h"

namespace vectune {

namespace {

at::Tensor leaf_of(const at::Tensor& tensor) { return tensor.detach().set_requires_grad(true); }

}  // namespace

LossValue by_autograd(const at::Tensor& vectors, const std::function<at::Tensor(const at::Tensor&)>& loss_of) {
  const at::AutoGradMode on(true);
  const at::Tensor leaf = leaf_of(vectors);
  const at::Tensor loss = loss_of(leaf);
  const auto gradients = torch::autograd::grad({loss}, {leaf});
  return {loss.detach(), gradients.front()};
}

LossValue by_autograd_of_columns(const at::Tensor& vectors, const LossRows& rows,
                                 const std::function<at::Tensor(const at::Tensor&)>& loss_of) {
  return by_autograd_of_columns(vectors, rows,
                                [&loss_of](const at::Tensor& columns, const LossTensors&) { return loss_of(columns); });
}

LossValue by_autograd_of_columns(const at::Tensor& vectors, const LossRows& rows,
                                 const std::function<at::Tensor(const at::Tensor&, const LossTensors&)>& loss_of) {
  const Alone alone;
  const at::AutoGradMode on(true);
  std::vector<at::Tensor> leaves{leaf_of(vectors_of(rows, wide(vectors)))};
  LossTensors parameters;
  for (const auto& [name, value] : rows.parameters) leaves.push_back(parameters[name] = leaf_of(wide(value)));
  const at::Tensor loss = loss_of(leaves.front(), parameters);
  const auto gradients = torch::autograd::grad({loss}, leaves);
  LossValue value{loss.detach(), gradient_of_vectors(rows, gradients.front().contiguous(), vectors.size(0))};
  size_t next = 1;
  for (const auto& [name, _] : parameters) value.of_parameters[name] = gradients[next++];
  return value;
}

}  // namespace vectune
