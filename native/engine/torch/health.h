#pragma once
#include <c10/core/DeviceGuard.h>

#include <cstdint>
#include <optional>

#include "model/place.h"
#include "runtime/errors.h"

namespace vectune::device {

/// A GPU that reported an error other than exhausted memory is lost for the process: its context stands no further
/// call. From then on everything that is asked of it fails at once with Error(kDeviceLost), which says what came first.
namespace health {

/// Throws Error(kDeviceLost) where the device is lost. Any thread.
void check(const Place& place);
void mark_lost(const Place& place, const Error& error);
/// For tests: the n-th check from now (1 is the next) fails as a call of the driver would; 0 ends that. What was
/// lost is found again.
void fail_nth_check(int64_t n);

}  // namespace health

/// Does `work` with the place's GPU as the current one, and keeps an eye on its health.
template <typename Work>
auto on_device(const Place& place, Work work) -> decltype(work()) {
  try {
    health::check(place);
    std::optional<c10::DeviceGuard> guard;
    if (place.cuda()) guard.emplace(place.torch());
    return work();
  } catch (...) {
    const Error error = current_error();
    if (error.code() == ErrorCode::kDeviceLost) {
      health::mark_lost(place, error);
      throw error;
    }
    throw;
  }
}

}  // namespace vectune::device
