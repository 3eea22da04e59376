#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/place.h"

namespace vectune::device {

struct Gpu {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int64_t bytes = 0;

  /// Tensor cores that multiply bf16, and flash attention: Ampere and newer.
  bool has_bf16() const { return major >= 8; }
};

struct Gpus {
  std::vector<Gpu> all;
  std::string driver;  // the newest CUDA that the driver knows, "13.0"; empty without a driver
  std::string reason;  // what is missing where `all` is empty, a sentence for each thing
};

/// What GPUs this process can compute on. Asks the driver, by its own library, before LibTorch, so that it can tell
/// which part is missing; asked once. Engine thread.
const Gpus& gpus();

/// Error(kDeviceUnavailable) with the reason where the place is a GPU that is not there.
void require(const Place& place);
/// Of a place that is there; kTensors is none and has the defaults.
Gpu gpu_of(const Place& place);

}  // namespace vectune::device
