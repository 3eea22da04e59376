#pragma once
#include "train/backend.h"

namespace vectune::device {

/// Training by LibTorch's tensors on `options.place`, a GPU or CPU tensors. Error(kDeviceUnavailable) where that is not
/// there.
TrainingBackend make_training_backend(const TrainingContext& context);

}  // namespace vectune::device
