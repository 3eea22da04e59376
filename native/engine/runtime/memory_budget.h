#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace vectune::memory_budget {

/// Makes a counting allocator LibTorch's CPU allocator (c10::SetCPUAllocator). Every buffer of the
/// engine comes from it, aligned to 64 bytes; over the limit it throws c10::OutOfMemoryError, and so does an
/// allocation that the operating system refuses. Idempotent; must precede the first tensor.
void install();

/// Process-wide limit in bytes; nullopt lifts it. What is held already stays, even above a lower limit.
void set_limit(std::optional<int64_t> bytes);
std::optional<int64_t> limit();

/// Bytes held now, and the most that were held since the start or `reset_peak`.
int64_t in_use();
int64_t peak();
void reset_peak();

/// Bytes that the calling thread may still take under the limits, the process's and its own; the largest number
/// where there is none.
int64_t headroom();

/// Bytes that the machine can still give to this process: what its control group leaves it (cgroup v2 or v1),
/// and at most /proc/meminfo's MemAvailable. `root` stands before the paths read (tests).
int64_t available(const std::string& root = "");

/// Narrows the limit for the calling thread while it lives (a trainer's own limit during its jobs): the bytes
/// of the whole process still count, allocations of other threads are not refused by it. Nests.
class ScopedLimit {
 public:
  explicit ScopedLimit(std::optional<int64_t> bytes);
  ~ScopedLimit();
  ScopedLimit(const ScopedLimit&) = delete;
  ScopedLimit& operator=(const ScopedLimit&) = delete;

 private:
  std::optional<int64_t> before_;
};

/// For tests: the n-th allocation from now (1 is the next) fails as if memory had run out; 0 switches
/// it off. Starts `allocations_since` at zero.
void fail_nth_allocation(int64_t n);
/// Allocations asked for since the last `fail_nth_allocation`, the failed one included.
int64_t allocations_since();

}  // namespace vectune::memory_budget
