#pragma once
#include <cstdint>

#include "train/training_layout.h"

namespace vectune {

/// Writes the first values of the loss's own parameters to where the layout has them among the weights: each a hash of
/// seed, parameter and place.
void draw_loss_parameters(const TrainingLayout& layout, uint32_t seed, float* weights);

}  // namespace vectune
