#pragma once
#include <cstdint>
#include <optional>

namespace vectune::memory_budget {

/// Makes a counting allocator LibTorch's CPU allocator (c10::SetCPUAllocator). Every buffer of the
/// engine comes from it; over the limit it throws c10::OutOfMemoryError, and so does the same
/// allocation that fails in the operating system. Idempotent; must precede the first tensor.
void install();

/// Process-wide limit in bytes; nullopt lifts it.
void set_limit(std::optional<int64_t> bytes);
std::optional<int64_t> limit();

int64_t in_use();
int64_t peak();
void reset_peak();

/// Narrows the limit while it lives (a trainer's own limit during its jobs); engine thread only.
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
/// it off. Returns through `allocations_since` how many were asked for since then.
void fail_nth_allocation(int64_t n);
int64_t allocations_since();

}  // namespace vectune::memory_budget
