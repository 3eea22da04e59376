// A libcuda.so.1 with the functions that native/engine/torch/gpus.cpp asks for: an NVIDIA driver of CUDA 12.4 that
// sees as many GPUs as VECTUNE_EMULATED_GPUS says (default 1), or fails as VECTUNE_EMULATED_DRIVER says ("start",
// "count").
#include <cstdlib>
#include <cstring>

namespace {

bool fails_to(const char* what) {
  const char* how = std::getenv("VECTUNE_EMULATED_DRIVER");
  return how && std::strcmp(how, what) == 0;
}

constexpr int kNotInitialised = 3, kMismatch = 803;

}  // namespace

extern "C" {

int cuInit(unsigned) { return fails_to("start") ? kMismatch : 0; }

int cuDriverGetVersion(int* version) {
  *version = 12040;
  return 0;
}

int cuDeviceGetCount(int* count) {
  if (fails_to("count")) return kNotInitialised;
  const char* gpus = std::getenv("VECTUNE_EMULATED_GPUS");
  *count = gpus ? std::atoi(gpus) : 1;
  return 0;
}

int cuDeviceGet(int* device, int index) {
  *device = index;
  return 0;
}

int cuDeviceGetName(char* name, int size, int) {
  std::strncpy(name, "Emulated GPU", static_cast<size_t>(size));
  return 0;
}

int cuDeviceGetAttribute(int* value, int, int) {
  *value = 9;
  return 0;
}

int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = size_t{1} << 30;
  return 0;
}

int cuGetErrorName(int code, const char** name) {
  *name = code == kMismatch ? "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" : "CUDA_ERROR_NOT_INITIALIZED";
  return 0;
}

int cuGetErrorString(int code, const char** text) {
  *text =
      code == kMismatch ? "system has unsupported display driver / cuda driver combination" : "initialization error";
  return 0;
}

}  // extern "C"
