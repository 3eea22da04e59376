#include "runtime/memory_budget.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <mutex>
#include <new>

#include "runtime/cgroup.h"

namespace vectune::memory_budget {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
// Also the size of the header before each block: what follows stays aligned.
constexpr size_t kAlignment = 64;

std::atomic<int64_t> held{0}, most_held{0}, process_limit{kNoLimit};
std::atomic<int64_t> asked{0}, fail_at{0};
thread_local std::optional<int64_t> scoped_limit;

/// What bounds the calling thread.
int64_t limit_here() {
  return std::min(process_limit.load(std::memory_order_relaxed), scoped_limit.value_or(kNoLimit));
}

std::string megabytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

[[noreturn]] void throw_out_of_memory(size_t bytes, int64_t before, const std::string& reason) {
  throw c10::OutOfMemoryError({__func__, "memory_budget.cpp", __LINE__},
                              "Out of memory: " + megabytes(static_cast<int64_t>(bytes)) + " more were needed, " +
                                  megabytes(before) + " are in use, " + reason +
                                  ". Use a smaller batch, shorter texts or a smaller model, or allow more memory.");
}

// The block's size stands in the header before it, so that a pointer alone is enough to free it
// (raw_deleter's contract: the context is the data).
void release(void* data) {
  if (!data) return;
  void* block = static_cast<char*>(data) - kAlignment;
  size_t bytes;
  std::memcpy(&bytes, block, sizeof bytes);
  held.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  std::free(block);
}

class BudgetAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes ? take(bytes) : nullptr;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* target, const void* source, size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }

 private:
  static void* take(size_t bytes) {
    const int64_t number = asked.fetch_add(1, std::memory_order_relaxed) + 1;
    if (number == fail_at.load(std::memory_order_relaxed)) {
      throw_out_of_memory(bytes, held.load(), "and this allocation was chosen to fail");
    }
    const int64_t limit = limit_here();
    if (bytes > static_cast<size_t>(kNoLimit) - kAlignment) {
      throw_out_of_memory(static_cast<size_t>(kNoLimit), held.load(), "no machine has that");
    }
    const int64_t size = static_cast<int64_t>(bytes);
    // Counted before it is taken, so that two threads cannot pass the limit together.
    const int64_t before = held.fetch_add(size, std::memory_order_relaxed);
    if (limit != kNoLimit && before > limit - size) {
      held.fetch_sub(size, std::memory_order_relaxed);
      throw_out_of_memory(bytes, before, "the limit is " + megabytes(limit));
    }
    void* block = nullptr;
    if (posix_memalign(&block, kAlignment, bytes + kAlignment) != 0) {
      held.fetch_sub(size, std::memory_order_relaxed);
      throw_out_of_memory(bytes, before, "the operating system gave no more");
    }
    std::memcpy(block, &bytes, sizeof bytes);
    int64_t most = most_held.load(std::memory_order_relaxed);
    while (most < before + size && !most_held.compare_exchange_weak(most, before + size)) {
    }
    return static_cast<char*>(block) + kAlignment;
  }
};

int64_t mem_available(const std::string& root) {
  std::ifstream in(root + "/proc/meminfo");
  std::string key, unit;
  for (int64_t kilobytes; in >> key >> kilobytes; std::getline(in, unit)) {
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  return kNoLimit;
}

}  // namespace

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Never destroyed: tensors may outlive every static destructor.
    c10::SetCPUAllocator(new BudgetAllocator, 255);
  });
}

void set_limit(std::optional<int64_t> bytes) { process_limit.store(bytes.value_or(kNoLimit)); }

std::optional<int64_t> limit() {
  const int64_t bytes = process_limit.load();
  if (bytes == kNoLimit) return std::nullopt;
  return bytes;
}

int64_t headroom() {
  const int64_t limit = limit_here();
  return limit == kNoLimit ? kNoLimit : std::max<int64_t>(0, limit - held.load());
}

int64_t in_use() { return held.load(); }
int64_t peak() { return most_held.load(); }
void reset_peak() { most_held.store(held.load()); }

int64_t available(const std::string& root) {
  return std::min(cgroup::memory_left(root).value_or(kNoLimit), mem_available(root));
}

ScopedLimit::ScopedLimit(std::optional<int64_t> bytes) : before_(scoped_limit) {
  if (bytes) scoped_limit = std::min(*bytes, scoped_limit.value_or(kNoLimit));
}
ScopedLimit::~ScopedLimit() { scoped_limit = before_; }

void fail_nth_allocation(int64_t n) {
  asked.store(0);
  fail_at.store(n);
}
int64_t allocations_since() { return asked.load(); }

}  // namespace vectune::memory_budget
