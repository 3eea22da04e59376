#pragma once

namespace vectune {

/// Between the two products of a feed-forward part.
enum class HiddenActivation { kGelu, kRelu, kGeluTanh, kSilu };

}  // namespace vectune
