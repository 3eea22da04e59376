#pragma once
#include <functional>

#include "losses/loss.h"

namespace vectune {

/// Loss and gradient of `loss_of(vectors)`, a scalar, by LibTorch's autograd on that tensor alone.
LossValue by_autograd(const at::Tensor& vectors, const std::function<at::Tensor(const at::Tensor&)>& loss_of);

/// The same of `loss_of(columns)`, [rows × columns × dimension] in `wide` precision, of rows of equal numbers of texts.
LossValue by_autograd_of_columns(const at::Tensor& vectors, const LossRows& rows,
                                 const std::function<at::Tensor(const at::Tensor&)>& loss_of);
/// The same of the loss's own parameters too, which are as wide.
LossValue by_autograd_of_columns(const at::Tensor& vectors, const LossRows& rows,
                                 const std::function<at::Tensor(const at::Tensor&, const LossTensors&)>& loss_of);

}  // namespace vectune
