#pragma once
#include "embed/inference.h"

namespace vectune::device {

/// On a device: the weights' copy there. Error(kDeviceUnavailable) where the place is not there.
std::unique_ptr<Inference> make_inference(const Model& model, const Place& place, Precision precision);

}  // namespace vectune::device
