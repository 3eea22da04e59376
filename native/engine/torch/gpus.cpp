#include "torch/gpus.h"

#include <ATen/DeviceAccelerator.h>
#include <dlfcn.h>

#include <algorithm>

#include "runtime/errors.h"

namespace vectune::device {

namespace {

/// The few functions of the driver's library that are needed; their C interface does not change.
class Driver {
 public:
  Driver() {
    handle_ = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!handle_) {
      const char* text = dlerror();
      reason_ = std::string("the NVIDIA driver's library libcuda.so.1 cannot be opened (") +
                (text ? text : "no reason given") + ")";
      return;
    }
    const auto init = function<int(unsigned)>("cuInit");
    const auto version = function<int(int*)>("cuDriverGetVersion");
    count_of_ = function<int(int*)>("cuDeviceGetCount");
    device_ = function<int(int*, int)>("cuDeviceGet");
    name_ = function<int(char*, int, int)>("cuDeviceGetName");
    attribute_ = function<int(int*, int, int)>("cuDeviceGetAttribute");
    memory_ = function<int(size_t*, int)>("cuDeviceTotalMem_v2");
    if (!init || !version || !count_of_ || !device_ || !name_ || !attribute_ || !memory_) {
      reason_ = "the library libcuda.so.1 is not the NVIDIA driver's: functions are missing";
      return;
    }
    int number = 0;
    if (version(&number) == 0) version_ = std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
    if (const int failed = init(0)) {
      reason_ = "the NVIDIA driver does not start: " + text_of(failed);
      return;
    }
    if (const int failed = count_of_(&count_)) reason_ = "the NVIDIA driver counts no GPUs: " + text_of(failed);
    else if (count_ == 0) reason_ = "the NVIDIA driver sees no GPU (CUDA_VISIBLE_DEVICES can hide them)";
  }

  const std::string& reason() const { return reason_; }
  const std::string& version() const { return version_; }
  int count() const { return count_; }

  Gpu gpu(int index) const {
    constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
    Gpu gpu;
    int device = 0;
    if (device_(&device, index) != 0) return gpu;
    char name[256] = "";
    if (name_(name, sizeof name - 1, device) == 0) gpu.name = name;
    attribute_(&gpu.major, kMajor, device);
    attribute_(&gpu.minor, kMinor, device);
    size_t bytes = 0;
    if (memory_(&bytes, device) == 0) gpu.bytes = static_cast<int64_t>(bytes);
    return gpu;
  }

 private:
  template <typename F>
  F* function(const char* name) const {
    return reinterpret_cast<F*>(dlsym(handle_, name));
  }
  std::string text_of(int code) const {
    const char *name = nullptr, *text = nullptr;
    if (const auto f = function<int(int, const char**)>("cuGetErrorName")) f(code, &name);
    if (const auto f = function<int(int, const char**)>("cuGetErrorString")) f(code, &text);
    return std::string(name ? name : "error") + " (" + std::to_string(code) + ")" +
           (text ? std::string(", ") + text : "");
  }

  void* handle_ = nullptr;  // never closed: the driver does not stand it
  std::string reason_, version_;
  int count_ = 0;
  int (*count_of_)(int*) = nullptr;
  int (*device_)(int*, int) = nullptr;
  int (*name_)(char*, int, int) = nullptr;
  int (*attribute_)(int*, int, int) = nullptr;
  int (*memory_)(size_t*, int) = nullptr;
};

bool cuda_library_is_open() {
  void* handle = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
  if (handle) dlclose(handle);
  return handle != nullptr;
}

Gpus look() {
  const Driver driver;
  Gpus found;
  found.driver = driver.version();
  std::vector<std::string> missing;
  if (!driver.reason().empty()) missing.push_back(driver.reason());
  const bool library = cuda_library_is_open();
  if (!library)
    missing.push_back(
        "LibTorch's library libtorch_cuda.so is not loaded (a LibTorch for the processor only has none; one "
        "that was first used with device 'cpu' is opened without it)");
  if (missing.empty()) {
    // From here on LibTorch has made up its mind about CUDA, so this must not come before its library.
    const int seen = at::accelerator::deviceCount();
    if (seen == 0)
      missing.push_back("the NVIDIA driver sees " + std::to_string(driver.count()) +
                        " GPUs, but LibTorch none: the driver knows CUDA " + driver.version() +
                        ", and LibTorch may need a newer one");
    for (int i = 0; i < std::min(seen, driver.count()); ++i) found.all.push_back(driver.gpu(i));
  }
  for (const auto& part : missing) found.reason += (found.reason.empty() ? "" : "; ") + part;
  return found;
}

}  // namespace

const Gpus& gpus() {
  static const Gpus found = look();
  return found;
}

void require(const Place& place) {
  if (!place.cuda()) return;
  const auto& [all, driver, reason] = gpus();
  if (place.index < static_cast<int>(all.size())) return;
  const std::string why = all.empty() ? reason : "the last one here is cuda:" + std::to_string(all.size() - 1);
  throw Error(ErrorCode::kDeviceUnavailable, "The device " + place.text() + " cannot be used: " + why +
                                                 ". Use device 'cpu' or "
                                                 "'auto'; `npx vectune doctor` tells what is installed.");
}

Gpu gpu_of(const Place& place) {
  require(place);
  return place.cuda() ? gpus().all[static_cast<size_t>(place.index)] : Gpu{};
}

}  // namespace vectune::device
