#pragma once
#include "model/reach.h"

namespace vectune {

/// Rotary positions of queries and keys (Su et al. 2021): pair i of a head of d numbers, i and i + d/2, is turned by
/// position · theta^(−2i/d) / divisor.
struct Rotary {
  double theta = 0;  // 0: none
  double divisor = 1;
  bool on() const { return theta > 0; }
  bool operator==(const Rotary&) const = default;
};

/// What the attention of a layer has of its own.
struct LayerAttention {
  Reach reach;
  Rotary rotary;
};

}  // namespace vectune
