#pragma once
#include <memory>
#include <vector>

#include "files/safetensors.h"
#include "model/parameters.h"

namespace vectune {

/// Whether the files hold a table of words as model2vec writes it: row t is embeddings[mapping[t]] · weights[t], where
/// it has the two.
bool has_model2vec(const std::vector<std::unique_ptr<const safetensors::File>>& files);

/// Reads it into the table `words`, as sentence-transformers folds it. Error(kSafetensors) names the tensor: one of
/// another shape or dtype, a mapping to a row that is not there.
void read_model2vec(const std::vector<std::unique_ptr<const safetensors::File>>& files, const Parameter& words,
                    float* to);

}  // namespace vectune
