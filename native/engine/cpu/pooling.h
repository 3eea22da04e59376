#pragma once
#include <cstdint>
#include <vector>

#include "cpu/kernels.h"
#include "model/spec.h"

namespace vectune::cpu {

/// y [rows × hidden] → out [texts × modes·hidden]. `maxima` [texts × hidden] gets the row of each maximum; null without
/// max pooling. Of each text the first `unpooled` [texts] rows, of which the last is none, are as if they were not
/// there, but that the others keep their weights in a weighted mean; null where all are seen.
void pool(const kernels::Rows& rows, int64_t hidden, const std::vector<PoolingMode>& modes, const float* y, float* out,
          int32_t* maxima, const int32_t* unpooled = nullptr);

/// d [texts × modes·hidden] → dy [padded × hidden], or with `add` what is added to it.
void pool_backward(const kernels::Rows& rows, int64_t hidden, const std::vector<PoolingMode>& modes, const float* d,
                   float* dy, const int32_t* maxima, const int32_t* unpooled = nullptr, bool add = false);

}  // namespace vectune::cpu
