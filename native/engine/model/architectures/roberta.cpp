#include "model/architectures/architectures.h"

namespace vectune {

/// Liu et al. 2019: as the encoder that it goes on from, but for the positions.
Architecture roberta() {
  Architecture plan = bert();
  plan.name = "roberta";
  plan.prefixes = {"roberta."};
  plan.positions = Architecture::Positions::kAfterPad;
  return plan;
}

}  // namespace vectune
