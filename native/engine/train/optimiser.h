#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/errors.h"

namespace vectune {

struct StepResult {
  double loss;
  std::optional<double> gradient_norm;
  int64_t tokens;
};

/// The result of a step, or, where a device is still at work on it, the way to wait for it.
class StepOutcome {
 public:
  StepOutcome(std::optional<StepResult> result) : result_(result) {}
  explicit StepOutcome(std::function<std::optional<StepResult>()> wait) : wait_(std::move(wait)) {}

  bool ready() const { return !wait_; }
  /// Any thread, once. Throws what went wrong; nullopt where the step was not taken, as one before it had failed.
  std::optional<StepResult> wait() { return wait_ ? wait_() : result_; }
  /// The same for who asks for one step at a time.
  StepResult get();

 private:
  std::optional<StepResult> result_;
  std::function<std::optional<StepResult>()> wait_;
};

/// What a step fails with where its loss, or the norm of its gradient, is not finite.
Error not_finite(const std::string& what);

/// AdamW over the gradients of a LiveState. cpu/ does it at once; torch/ gives it to the device and looks later how it
/// went.
class Optimiser {
 public:
  virtual ~Optimiser() = default;

  /// Before a step's gradients are computed.
  virtual void prepare() {}
  /// What the gradient of the loss is multiplied by before it goes back, a scalar (fp16); undefined for 1.
  virtual at::Tensor scale() const { return {}; }
  /// A step by the gradients. Strong guarantee: on any error weights, moments and count are as before.
  virtual StepOutcome take(const at::Tensor& loss, int64_t tokens, double learning_rate) = 0;
  /// Takes the memory that a step takes, and changes nothing.
  virtual void rehearse(const at::Tensor& loss) = 0;
  /// Divides the gradients by the scale.
  virtual void unscale() {}
  /// Waits for what was begun; the count of steps is then of those that were really taken.
  virtual void settle() {}
  /// Weights, gradients or moments are other tensors now.
  virtual void buffers_replaced() {}

  /// State of the fp16 loss scaler (TrainerState::scaler); empty without one.
  virtual std::vector<float> scaler() const { return {}; }
  virtual void set_scaler(const std::vector<float>&) {}
};

}  // namespace vectune
