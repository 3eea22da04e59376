#pragma once
#include <cstdint>

namespace vectune {

/// Buckets of the distance from a query to a key (Raffel et al. 2020, T5, both directions): 16 for keys at or before
/// the query, 16 for those after it. Of each half 8 have one distance, and 8 share those up to 128 logarithmically.
inline constexpr int64_t kRelativeBuckets = 32;

/// Of `distance` = key − query.
int64_t relative_bucket(int64_t distance);

}  // namespace vectune
