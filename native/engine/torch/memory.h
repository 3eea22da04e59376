#pragma once
#include <cstdint>
#include <optional>

#include "model/place.h"

namespace vectune::device {

/// Memory of a place, in bytes. On CPU tensors it is that of the engine's allocator.
struct MemoryStatistics {
  int64_t allocated = 0, peak = 0;  // what tensors hold, and the most they held since `reset_peak`
  int64_t reserved = 0;             // what the allocator holds of the GPU for this process
  double fragmentation = 0;         // share of `reserved` that is free, but in pieces of larger blocks
  int64_t free = 0, total = 0;      // of the GPU, whoever uses it
};

MemoryStatistics memory_of(const Place& place);
void reset_peak(const Place& place);
/// Gives what the allocator holds and no tensor uses back to the GPU.
void release_cached(const Place& place);

/// Share of the GPU's memory that this process may take, above 0 to 1; beyond it allocations fail as if there were no
/// more. LibTorch reads it when it first uses a GPU: later only the share that it has is accepted, any other is an
/// Error(kInvalidArgument). CPU tensors have no such allocator: for them the share of what the machine has free is
/// returned, in bytes, for a trainer's limit.
std::optional<int64_t> set_memory_fraction(const Place& place, double fraction);

}  // namespace vectune::device
