#include "model/architectures/architectures.h"

namespace vectune {

/// Conneau et al. 2019: of another vocabulary, and of up to 8,194 positions in the models that went on from it.
Architecture xlm_roberta() {
  Architecture plan = roberta();
  plan.name = "xlm-roberta";
  return plan;
}

}  // namespace vectune
