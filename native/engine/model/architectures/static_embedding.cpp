#include "model/architectures/architectures.h"

namespace vectune {

/// sentence-transformers' StaticEmbedding and model2vec (Tulkens and van Dongen 2024): a table of words alone.
Architecture static_embedding() {
  Architecture plan;
  plan.name = "static-embedding";
  plan.is_bag = true;
  plan.names.words = "embedding";
  return plan;
}

}  // namespace vectune
