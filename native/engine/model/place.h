#pragma once
#include <c10/core/Device.h>

#include <string>

namespace vectune {

/// Where a model or a trainer computes.
struct Place {
  /// kCpu is the engine's own path. The device path (native/engine/torch) runs on GPUs, and with kTensors on
  /// LibTorch's CPU tensors, which is how it is tested where there is no GPU.
  enum class Kind { kCpu, kCuda, kTensors };

  Kind kind = Kind::kCpu;
  int index = 0;  // of the GPU

  bool on_device() const { return kind != Kind::kCpu; }
  bool cuda() const { return kind == Kind::kCuda; }
  c10::Device torch() const {
    return cuda() ? c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index))
                  : c10::Device(c10::DeviceType::CPU);
  }
  bool operator==(const Place&) const = default;

  /// "cpu", "cuda:1" or, for tests, "cpu-tensors"; Error(kInvalidArgument) for any other text.
  static Place parse(const std::string& text);
  std::string text() const;
};

}  // namespace vectune
