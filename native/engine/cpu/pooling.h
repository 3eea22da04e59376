#pragma once
#include <cstdint>
#include <vector>

#include "cpu/kernels.h"
#include "model/spec.h"

namespace vectune::cpu {

/// y [rows × hidden] → out [texts × modes·hidden]. `maxima` [texts × hidden] gets the row of each maximum; null without
/// max pooling. Of each text the first `unpooled` rows, but never the last one, are as if they were not there, but that
/// the others keep their weights in a weighted mean.
void pool(const kernels::Rows& rows, int64_t hidden, const std::vector<PoolingMode>& modes, const float* y, float* out,
          int32_t* maxima, int64_t unpooled = 0);

/// d [texts × modes·hidden] → dy [padded × hidden], or with `add` what is added to it.
void pool_backward(const kernels::Rows& rows, int64_t hidden, const std::vector<PoolingMode>& modes, const float* d,
                   float* dy, const int32_t* maxima, int64_t unpooled = 0, bool add = false);

}  // namespace vectune::cpu
