#pragma once
#include "embed/inference.h"

namespace vectune::cpu {

/// On the processor: fp32, bf16 or int8.
std::unique_ptr<Inference> make_inference(const Model& model, Precision precision);

}  // namespace vectune::cpu
