#pragma once
#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <vector>

namespace vectune {

/// All that steps change, as it stands where the trainer computes. TrainerState is what a checkpoint has of it.
struct LiveState {
  at::Tensor weights;    // flat, as TrainingLayout says
  at::Tensor gradients;  // there from the first step on, as are the moments
  at::Tensor first_moments, second_moments;
  std::atomic<int64_t> steps{0};    // taken; written on the engine thread, read from any
  std::vector<float> unused_decay;  // 1 − lr·λ of each step since the last commit, where not 1
};

}  // namespace vectune
