#pragma once
#include <cstdint>
#include <vector>

#include "cpu/kernels.h"
#include "model/spec.h"

namespace vectune::cpu {

/// y [rows × hidden] → out [texts × modes·hidden]. `maxima` [texts × hidden] gets the row of each maximum; null without
/// max pooling.
void pool(const kernels::Rows& rows, int64_t hidden, const std::vector<PoolingMode>& modes, const float* y, float* out,
          int32_t* maxima);

/// d [texts × modes·hidden] → dy [padded × hidden].
void pool_backward(const kernels::Rows& rows, int64_t hidden, const std::vector<PoolingMode>& modes, const float* d,
                   float* dy, const int32_t* maxima);

}  // namespace vectune::cpu
