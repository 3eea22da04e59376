#include "torch/memory.h"

#include <c10/core/AllocatorConfig.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <cmath>
#include <cstdio>
#include <string>

#include "runtime/errors.h"
#include "runtime/memory_budget.h"

namespace vectune::device {

namespace {

std::optional<double> cuda_fraction;  // as LibTorch has it; engine thread only

c10::DeviceAllocator* allocator() { return c10::getDeviceAllocator(c10::DeviceType::CUDA); }

std::string text(double fraction) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.6g", fraction);
  return digits;
}

}  // namespace

MemoryStatistics memory_of(const Place& place) {
  if (!place.cuda()) {
    const int64_t held = memory_budget::in_use(), available = memory_budget::available();
    return {held, memory_budget::peak(), held, 0.0, available, available + held};
  }
  const auto index = static_cast<c10::DeviceIndex>(place.index);
  MemoryStatistics now;
  const auto [free, total] = allocator()->getMemoryInfo(index);
  now.free = static_cast<int64_t>(free);
  now.total = static_cast<int64_t>(total);
  if (!allocator()->initialized()) return now;
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto stats = allocator()->getDeviceStats(index);
  now.allocated = stats.allocated_bytes[kAll].current;
  now.peak = stats.allocated_bytes[kAll].peak;
  now.reserved = stats.reserved_bytes[kAll].current;
  if (now.reserved > 0)
    now.fragmentation =
        static_cast<double>(stats.inactive_split_bytes[kAll].current) / static_cast<double>(now.reserved);
  return now;
}

void reset_peak(const Place& place) {
  if (!place.cuda()) memory_budget::reset_peak();
  else if (allocator()->initialized()) allocator()->resetPeakStats(static_cast<c10::DeviceIndex>(place.index));
}

void release_cached(const Place& place) {
  if (place.cuda() && allocator()->initialized()) allocator()->emptyCache();
}

std::optional<int64_t> set_memory_fraction(const Place& place, double fraction) {
  if (!(fraction > 0.0 && fraction <= 1.0))
    throw Error(ErrorCode::kInvalidArgument,
                "memoryFraction must be above 0 and at most 1, found " + text(fraction) + ".");
  if (!place.cuda()) {
    const auto free = static_cast<double>(memory_budget::in_use()) + static_cast<double>(memory_budget::available());
    return static_cast<int64_t>(std::floor(fraction * free));
  }
  const double has = cuda_fraction.value_or(1.0);
  if (fraction == has) return std::nullopt;
  if (allocator()->initialized())
    throw Error(ErrorCode::kInvalidArgument, "memoryFraction is " + text(fraction) +
                                                 ", but this process has begun to use the GPU with " + text(has) +
                                                 ", and LibTorch does not change that. Start the process anew.");
  c10::CachingAllocator::setAllocatorSettings("per_process_memory_fraction:" + text(fraction));
  cuda_fraction = fraction;
  return std::nullopt;
}

}  // namespace vectune::device
