#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace vectune::device {

/// fp16 has so few exponents that small gradients vanish: the loss is multiplied by a scale that the gradients are
/// divided by again. A gradient that overflows leaves the update out and halves the scale; 2,000 updates without that
/// double it (torch.amp.GradScaler's numbers). All of it happens on the device.
class LossScaler {
 public:
  explicit LossScaler(const at::Device& device);

  /// A scalar.
  const at::Tensor& scale() const { return scale_; }
  /// Divides the gradients by the scale, in place. Returns 1 where one of them is not finite, else 0 (a scalar).
  at::Tensor unscale(const std::vector<at::Tensor>& gradients);
  /// After an update, or one that was left out.
  void update(const at::Tensor& overflow);

  /// Scale and updates since it grew. Waits for the device.
  std::vector<float> state() const;
  void set_state(float scale, float growth);

 private:
  at::Tensor scale_, growth_;
};

}  // namespace vectune::device
