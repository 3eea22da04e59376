#pragma once
#include <memory>

#include "train/trainer_impl.h"

namespace vectune::device {

/// A trainer that computes on `options.place`, a GPU or CPU tensors. Error(kDeviceUnavailable) where that is not there.
std::unique_ptr<Trainer::Impl> make_trainer(std::shared_ptr<Model> model, std::shared_ptr<const Dataset> dataset,
                                            TrainerOptions options);

}  // namespace vectune::device
