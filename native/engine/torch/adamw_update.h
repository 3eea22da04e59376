#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "train/training_layout.h"

namespace vectune::device {

/// AdamW by LibTorch's fused operator over views of the flat buffers: two launches, for what decays and what does not.
class AdamWUpdate {
 public:
  struct Constants {
    double beta1, beta2, eps, weight_decay;
    bool bias_correction;
  };

  AdamWUpdate(const TrainingLayout& layout, const Constants& constants, const at::Tensor& weights,
              const at::Tensor& gradients, const at::Tensor& first_moments, const at::Tensor& second_moments);

  /// The gradients of what is trained.
  const std::vector<at::Tensor>& gradients() const { return gradients_; }
  /// `updates`: updates made so far, this one included (float, a scalar); the gradients are divided by `divisor` (a
  /// scalar, or undefined); nothing is done where `skip` is 1.
  void run(double learning_rate, const at::Tensor& updates, const at::Tensor& divisor, const at::Tensor& skip);

 private:
  struct Group {
    std::vector<at::Tensor> weights, gradients, first, second;
  };
  Constants constants_;
  Group decaying_, others_;
  std::vector<at::Tensor> gradients_;
  at::Tensor endless_;  // in place of `updates` without bias correction
};

}  // namespace vectune::device
