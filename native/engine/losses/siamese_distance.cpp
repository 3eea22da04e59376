#include "losses/siamese_distance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/pairwise_distance.h>

#include "losses/options.h"

namespace vectune {

SiameseDistance::SiameseDistance(LossOptions& options)
    : metric_(options.word("distance_metric", "cosine", {"cosine", "euclidean", "manhattan"})) {}

at::Tensor SiameseDistance::of(const at::Tensor& pairs) const {
  const at::Tensor u = pairs.select(1, 0), v = pairs.select(1, 1);
  if (metric_ == "cosine") return 1 - at::cosine_similarity(u, v, 1, 1e-8);
  return at::pairwise_distance(u, v, metric_ == "euclidean" ? 2 : 1, 1e-6);
}

}  // namespace vectune
