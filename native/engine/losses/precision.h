#pragma once
#include <ATen/core/Tensor.h>

namespace vectune {

/// What a loss whose cost grows with the rows, not with their square, computes in: double on the processor, the
/// vectors' own fp32 on devices.
at::Tensor wide(const at::Tensor& vectors);

/// For tests: while it lives, the processor computes in fp32 too, as devices do.
struct AsOnDevices {
  AsOnDevices();
  ~AsOnDevices();
};

}  // namespace vectune
