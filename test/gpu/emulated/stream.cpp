#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <deque>
#include <mutex>

#include "emulated_gpu.h"

namespace vectune::emulated_gpu {

namespace {

std::mutex mutex;
std::deque<std::function<void()>> waiting;
int64_t enqueued = 0, done = 0;
std::atomic<bool> failed{false};
std::atomic<int64_t> waits{0};

/// Up to the number-th of all that was enqueued.
void run_until(int64_t number) {
  for (;;) {
    std::function<void()> work;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      if (done >= number || waiting.empty()) return;
      work = std::move(waiting.front());
      waiting.pop_front();
      ++done;
    }
    work();
  }
}

struct EmulatedEvent {
  std::atomic<int64_t> until{0};
  std::atomic<int> queries{0};
};

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::DeviceType::CUDA; }
  c10::Device exchangeDevice(c10::Device to) const override {
    setDevice(to);
    return getDevice();
  }
  c10::Device getDevice() const override { return {c10::DeviceType::CUDA, 0}; }
  void setDevice(c10::Device to) const override {
    check();
    TORCH_CHECK(to.index() <= 0, "CUDA error: invalid device ordinal");
  }
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, getDevice()); }
  c10::Stream getDefaultStream(c10::Device) const override { return getStream(getDevice()); }
  c10::Stream exchangeStream(c10::Stream) const override { return getStream(getDevice()); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override {
    delete static_cast<EmulatedEvent*>(event);
  }
  void record(void** event, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {
    check();
    if (!*event) *event = new EmulatedEvent;
    auto* const e = static_cast<EmulatedEvent*>(*event);
    const std::lock_guard<std::mutex> lock(mutex);
    e->until = enqueued;
    e->queries = 0;
  }
  /// Not yet at the first time, so that who asks must ask again.
  bool queryEvent(void* event) const override {
    check();
    auto* const e = static_cast<EmulatedEvent*>(event);
    if (!e) return true;
    if (e->queries++ == 0) return false;
    run_until(e->until);
    return true;
  }
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard);

struct CUDAHooks final : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasCUDART() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  int getNumGPUs() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::DeviceIndex current_device() const override { return 0; }
  at::Allocator* getPinnedMemoryAllocator() const override { return pinned_allocator(); }
  bool isPinnedPtr(const void* pointer) const override { return is_pinned(pointer); }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override { return default_generator(); }
};

using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks);

}  // namespace

void check() {
  if (failed)
    throw c10::AcceleratorError({__func__, "emulated_gpu", 0}, 710, "CUDA error: device-side assert triggered");
}

void fail_assertion() {
  enqueue([] { failed = true; });
}

void enqueue(std::function<void()> work) {
  const std::lock_guard<std::mutex> lock(mutex);
  waiting.push_back(std::move(work));
  ++enqueued;
}

void synchronise() {
  check();
  ++waits;
  run_until(INT64_MAX);
}

}  // namespace vectune::emulated_gpu

/// How often the processor has waited for the device since the process began.
extern "C" int64_t vectune_emulated_gpu_waits() { return vectune::emulated_gpu::waits; }
