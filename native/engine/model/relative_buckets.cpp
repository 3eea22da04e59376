#include "model/relative_buckets.h"

namespace vectune {

int64_t relative_bucket(int64_t distance) {
  // Where 8 + ⌊ln(d / 8) / ln 16 · 8⌋ rises, in the fp32 in which transformers computes it.
  constexpr int64_t kEdges[] = {8, 12, 16, 23, 32, 46, 64, 91};
  const int64_t half = kRelativeBuckets / 2, d = distance < 0 ? -distance : distance;
  int64_t bucket = d;
  if (d >= kEdges[0]) {
    bucket = kEdges[0] - 1;
    for (const int64_t edge : kEdges) bucket += d >= edge;
  }
  return distance > 0 ? half + bucket : bucket;
}

}  // namespace vectune
