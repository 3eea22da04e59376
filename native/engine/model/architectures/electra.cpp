#include "model/architectures/architectures.h"

namespace vectune {

/// Clark et al. 2020: the discriminator, where its embeddings are as wide as its layers.
Architecture electra() {
  Architecture plan = bert();
  plan.name = "electra";
  plan.prefixes = {"electra."};
  return plan;
}

}  // namespace vectune
