#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "model/parameters.h"
#include "train/compact_vocabulary.h"
#include "train/training_layout.h"

namespace vectune {

/// Writes the gradient of every parameter that is trained to a safetensors file, by name, that of the word embeddings
/// for the whole table; `gradients` are flat, as the layout has them.
void write_gradients(const std::string& path, const at::Tensor& gradients, const ParameterTable& table,
                     const TrainingLayout& layout, const CompactVocabulary& vocabulary);

}  // namespace vectune
