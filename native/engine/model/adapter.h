#pragma once
#include "model/half_weights.h"
#include "model/parameters.h"

namespace vectune {

/// Does to the weights that were read (into `flat`, or into `half`) what an adapter's file says: computed in fp32, and
/// where the weights are kept in bf16 rounded to that once, as peft's merge does. Error(kSafetensors): a tensor is not
/// there, of another shape or dtype, or is for something that the model does not have.
void merge_adapter(const ModuleFile& file, const ParameterTable& table, float* flat, HalfWeights* half);

}  // namespace vectune
