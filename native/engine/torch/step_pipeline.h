#pragma once
#include <deque>
#include <memory>

#include "torch/adamw_update.h"
#include "torch/loss_scaler.h"
#include "torch/passes.h"
#include "train/backend.h"

namespace vectune::device {

/// A step that was begun, and what became of it.
class BegunStep;

/// AdamW on a device. A step is given to the device whole and not waited for: what decides about it (a loss or a
/// gradient's norm that is not finite) is decided there, by factors of the update. Until the processor has seen that a
/// step failed, those begun after it leave everything alone too, so a step that failed leaves weights, moments and
/// count as before it.
class StepPipeline final : public Optimiser {
 public:
  StepPipeline(const TrainingContext& context, DevicePasses& passes);

  void prepare() override;
  at::Tensor scale() const override { return scaler_ ? scaler_->scale() : at::Tensor(); }
  StepOutcome take(const at::Tensor& loss, int64_t tokens, double learning_rate) override;
  void rehearse(const at::Tensor& loss) override;
  void unscale() override;
  void settle() override;
  void buffers_replaced() override;
  std::vector<float> scaler() const override;
  void set_scaler(const std::vector<float>& state) override;

 private:
  void look_back();

  const TrainingContext c_;
  DevicePasses& passes_;
  std::unique_ptr<AdamWUpdate> update_;
  std::unique_ptr<LossScaler> scaler_;
  at::Tensor halted_, updates_, none_;  // scalars: whether a step has failed; updates made; 0
  std::deque<std::shared_ptr<BegunStep>> begun_;
};

}  // namespace vectune::device
