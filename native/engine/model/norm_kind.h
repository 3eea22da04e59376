#pragma once

namespace vectune {

/// What a norm takes off a row and divides it by: mean and deviation (Ba, Kiros & Hinton 2016), or nothing and the root
/// of the mean square (Zhang & Sennrich 2019).
enum class NormKind { kLayer, kRms };

}  // namespace vectune
