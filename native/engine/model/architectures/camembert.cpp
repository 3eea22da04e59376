#include "model/architectures/architectures.h"

namespace vectune {

/// Martin et al. 2020: of a French vocabulary.
Architecture camembert() {
  Architecture plan = roberta();
  plan.name = "camembert";
  return plan;
}

}  // namespace vectune
