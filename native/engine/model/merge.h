#pragma once
#include <memory>
#include <vector>

#include "model/model.h"

namespace vectune {

/// kLinear: the weighted mean of the weights. kSpherical: of each parameter the weighted mean of the lengths, in the
/// weighted mean of the directions on the sphere (Karcher's; of two models it is slerp, Shoemake 1985).
enum class Merging { kLinear, kSpherical };

/// A model of the shape of the first, which all have: `shares` are from 0 and add up to 1. What all models agree in
/// stays to the bit, as does a model whose share is 1. It is in fp32, and the models stay as they are
/// kept. Tensors that no parameter claims are the first model's. Error(kInvalidArgument): a model of another shape.
/// Engine thread.
std::shared_ptr<Model> merge(const std::vector<std::shared_ptr<const Model>>& models, const std::vector<double>& shares,
                             Merging merging);

}  // namespace vectune
