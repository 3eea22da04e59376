#pragma once
#include "train/backend.h"

namespace vectune::cpu {

/// Training by the engine's own kernels, in fp32 or bf16. Error(kInvalidArgument) for another precision.
TrainingBackend make_training_backend(const TrainingContext& context);

}  // namespace vectune::cpu
