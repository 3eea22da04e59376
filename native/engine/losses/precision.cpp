#include "losses/precision.h"

#include <atomic>

namespace vectune {

namespace {

std::atomic<int> as_on_devices{0};

}  // namespace

at::Tensor wide(const at::Tensor& vectors) {
  return vectors.is_cpu() && as_on_devices == 0 ? vectors.to(at::kDouble) : vectors;
}

AsOnDevices::AsOnDevices() { ++as_on_devices; }
AsOnDevices::~AsOnDevices() { --as_on_devices; }

}  // namespace vectune
