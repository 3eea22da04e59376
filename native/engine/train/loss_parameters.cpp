#include "train/loss_parameters.h"

#include "runtime/split_mix.h"

namespace vectune {

void draw_loss_parameters(const TrainingLayout& layout, uint32_t seed, float* weights) {
  uint64_t number = 0;
  for (const auto& [parameter, begin, _] : layout.of_loss()) {
    const uint64_t key = split_mix(split_mix(~uint64_t{seed}) + number++);
    float* to = weights + begin;
    for (int64_t i = 0; i < parameter.elements(); ++i) {
      const uint64_t bits = split_mix(key + static_cast<uint64_t>(i)) >> 40;
      to[i] = static_cast<float>(parameter.bound * (static_cast<double>(bits) / 8388608.0 - 1.0));
    }
  }
}

}  // namespace vectune
