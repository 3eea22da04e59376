#pragma once
#include <functional>

#include "losses/loss.h"

namespace vectune {

/// Loss and gradient of `loss_of(vectors)`, a scalar, by LibTorch's autograd on that tensor alone.
LossValue by_autograd(const at::Tensor& vectors, const std::function<at::Tensor(const at::Tensor&)>& loss_of);

}  // namespace vectune
