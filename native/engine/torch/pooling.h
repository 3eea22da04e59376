#pragma once
#include <vector>

#include "model/spec.h"
#include "torch/batch.h"

namespace vectune::device {

/// y [rows × hidden] → [texts × modes·hidden], both fp32. `maxima` [texts + 1 × hidden] is for backward where a mode is
/// the maximum, else undefined.
at::Tensor pool(const DeviceBatch& batch, const std::vector<PoolingMode>& modes, const at::Tensor& y,
                at::Tensor& maxima);

/// d [texts × modes·hidden] → dy [rows × hidden]. y is needed with maxima only.
at::Tensor pool_backward(const DeviceBatch& batch, const std::vector<PoolingMode>& modes, const at::Tensor& d,
                         const at::Tensor& y, const at::Tensor& maxima);

}  // namespace vectune::device
