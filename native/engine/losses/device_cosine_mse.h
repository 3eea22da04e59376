#pragma once
#include <ATen/core/Tensor.h>

namespace vectune::device {

/// native/engine/cosine_mse.h on a device, in fp32; nothing waits for the device.
namespace cosine_mse {

/// Embeddings [2·pairs × dimension] → cosines [pairs].
at::Tensor similarities(const at::Tensor& embeddings);

struct Loss {
  at::Tensor share;     // this batch's share of the loss, a scalar
  at::Tensor gradient;  // [2·pairs × dimension], times `scale` where that is given
};
/// `pairs_in_loss` is the effective batch; `scale` (a scalar on the device, or undefined) multiplies the gradient only.
Loss loss_and_gradient(const at::Tensor& embeddings, const at::Tensor& scores, int64_t pairs_in_loss,
                       const at::Tensor& scale);

}  // namespace cosine_mse
}  // namespace vectune::device
