#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/AllocatorConfig.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>

#include "emulated_gpu.h"

namespace vectune::emulated_gpu {

namespace {

constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
constexpr size_t kBlock = 512;  // as c10::CachingAllocator::kMinBlockSize

size_t total() {
  static const size_t bytes = [] {
    const char* told = std::getenv("VECTUNE_EMULATED_GPU_BYTES");
    return told ? std::strtoull(told, nullptr, 10) : 8'000'000'000ull;
  }();
  return bytes;
}

/// What all processes hold of the GPU.
std::atomic<int64_t>& held_by_all() {
  static std::atomic<int64_t>* const held = [] {
    static std::atomic<int64_t> alone{0};
    const char* name = std::getenv("VECTUNE_EMULATED_GPU_FILE");
    const int file = name ? open(name, O_RDWR | O_CREAT, 0600) : -1;
    if (file < 0 || ftruncate(file, sizeof alone) != 0) return &alone;
    void* const at = mmap(nullptr, sizeof alone, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return at == MAP_FAILED ? &alone : static_cast<std::atomic<int64_t>*>(at);
  }();
  return *held;
}

double fraction = 1.0;

/// What is freed stays reserved until the cache is emptied or something does not fit, as LibTorch's caching allocator
/// has it.
class Allocator final : public c10::DeviceAllocator {
 public:
  ~Allocator() override { held_by_all() -= reserved_; }  // what a process held is free when it has ended

  c10::DataPtr allocate(size_t bytes) override {
    check();
    const c10::Device device(c10::DeviceType::CUDA, 0);
    if (bytes == 0) return {nullptr, nullptr, &release, device};
    const size_t size = (bytes + kBlock - 1) / kBlock * kBlock;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!reserve(size)) {
      drop_cache();
      if (!reserve(size))
        TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ", bytes, " bytes; ",
                         reserved_, " are held by this process, ", held_by_all().load(), " by all, of ", total());
    }
    used_ = true;
    stat_.increase(size);
    void* const data = std::aligned_alloc(kBlock, size);
    TORCH_CHECK(data, "the machine has no memory for the emulated GPU's");
    sizes_[data] = size;
    return {data, data, &release, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t count) const override { default_copy_data(to, from, count); }

  bool initialized() override { return used_; }
  void emptyCache(c10::MempoolId_t) override {
    check();
    const std::lock_guard<std::mutex> lock(mutex_);
    drop_cache();
  }
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    c10::CachingDeviceAllocator::DeviceStats stats;
    stats.allocated_bytes[kAll] = stat_;
    stats.reserved_bytes[kAll].current = reserved_;
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    stat_.reset_peak();
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override {
    return {total() - static_cast<size_t>(held_by_all().load()), total()};
  }

 private:
  bool reserve(size_t size) {
    const int64_t more = stat_.current + static_cast<int64_t>(size) - reserved_;
    if (more <= 0) return true;
    if (static_cast<double>(reserved_ + more) > fraction * static_cast<double>(total())) return false;
    if (held_by_all().fetch_add(more) + more > static_cast<int64_t>(total())) {
      held_by_all() -= more;
      return false;
    }
    reserved_ += more;
    return true;
  }
  void drop_cache() {
    held_by_all() -= reserved_ - stat_.current;
    reserved_ = stat_.current;
  }
  static void release(void* data);

  std::mutex mutex_;
  std::map<void*, size_t> sizes_;
  c10::CachingAllocator::Stat stat_;
  int64_t reserved_ = 0;
  std::atomic<bool> used_{false};
};

Allocator the_allocator;

void Allocator::release(void* data) {
  if (!data) return;
  const std::lock_guard<std::mutex> lock(the_allocator.mutex_);
  const auto found = the_allocator.sizes_.find(data);
  the_allocator.stat_.decrease(found->second);
  the_allocator.sizes_.erase(found);
  std::free(data);
}

/// Pinned memory. Freed when the stream has come to where it was freed, as copies from it may still wait.
class PinnedAllocator final : public at::HostAllocator {
 public:
  at::DataPtr allocate(size_t bytes) override {
    void* const data = std::aligned_alloc(64, (bytes / 64 + 1) * 64);
    TORCH_CHECK(data, "no pinned memory");
    const std::lock_guard<std::mutex> lock(mutex_);
    blocks_[data] = bytes;
    return {data, data, &release, at::DeviceType::CPU};
  }
  at::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t count) const override { default_copy_data(to, from, count); }
  bool record_event(void*, void*, c10::Stream) override { return true; }
  void empty_cache() override {}
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}

  bool has(const void* pointer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto block = blocks_.upper_bound(const_cast<void*>(pointer));
    if (block == blocks_.begin()) return false;
    --block;
    return static_cast<const char*>(pointer) < static_cast<char*>(block->first) + std::max<size_t>(1, block->second);
  }

 private:
  static void release(void* data);
  std::mutex mutex_;
  std::map<void*, size_t> blocks_;
};

PinnedAllocator pinned;

void PinnedAllocator::release(void* data) {
  {
    const std::lock_guard<std::mutex> lock(pinned.mutex_);
    pinned.blocks_.erase(data);
  }
  enqueue([data] { std::free(data); });
}

const bool registered = [] {
  c10::SetAllocator(c10::DeviceType::CUDA, &the_allocator);
  at::setHostAllocator(at::DeviceType::CUDA, &pinned);
  const std::string key = "per_process_memory_fraction";
  c10::CachingAllocator::AcceleratorAllocatorConfig::registerDeviceConfigParserHook(
      [key](const std::string& settings) {
        const c10::CachingAllocator::ConfigTokenizer tokens(settings);
        for (size_t i = 0; i + 2 < tokens.size(); ++i)
          if (tokens[i] == key) fraction = tokens.toDouble(i + 2);
      },
      {key});
  return true;
}();

}  // namespace

c10::Allocator* allocator() { return &the_allocator; }
c10::Allocator* pinned_allocator() { return &pinned; }
bool is_pinned(const void* pointer) { return pinned.has(pointer); }

}  // namespace vectune::emulated_gpu
