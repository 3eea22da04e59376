#pragma once
#include <c10/core/Allocator.h>

#include <cstdint>
#include <cstring>

namespace vectune::binding {

/// A flat array out of the engine's counted memory, for what travels between the threads: large inputs and
/// outputs keep to the memory limit like the engine's own buffers (c10::OutOfMemoryError above it).
template <typename T>
class CountedArray {
 public:
  explicit CountedArray(int64_t size)
      : size_(size),
        memory_(c10::GetAllocator(c10::DeviceType::CPU)->allocate(static_cast<size_t>(size) * sizeof(T))) {}
  CountedArray(const T* source, int64_t size) : CountedArray(size) {
    if (size > 0) std::memcpy(data(), source, static_cast<size_t>(size) * sizeof(T));
  }

  T* data() { return static_cast<T*>(memory_.get()); }
  const T* data() const { return static_cast<const T*>(memory_.get()); }
  int64_t size() const { return size_; }

 private:
  int64_t size_;
  c10::DataPtr memory_;
};

}  // namespace vectune::binding
