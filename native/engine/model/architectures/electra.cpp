#include "model/architectures/architectures.h"

namespace vectune {

/// Clark et al. 2020: the discriminator; embeddings may be of a width of their own.
Architecture electra() {
  Architecture plan = bert();
  plan.name = "electra";
  plan.prefixes = {"electra."};
  plan.projection = Architecture::Projection::kBetweenWidths;
  plan.names.projection = "embeddings_project";
  return plan;
}

}  // namespace vectune
