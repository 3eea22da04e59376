#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <memory>
#include <optional>

#include "model/place.h"

namespace vectune::device {

/// A few numbers on their way from the device: copied to pinned memory behind the work that makes them, so that nobody
/// waits for them until they are wanted.
class DeviceResult {
 public:
  /// `numbers`: float [n] on the place. Engine thread.
  DeviceResult(const Place& place, const at::Tensor& numbers);

  /// Waits, then gives the numbers. Any thread; what the device reports by then is thrown here.
  const float* wait();

 private:
  Place place_;
  at::Tensor host_;
  std::optional<c10::Event> done_;
};

}  // namespace vectune::device
