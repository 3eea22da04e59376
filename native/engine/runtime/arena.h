#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstddef>
#include <cstdint>

namespace vectune {

/// One allocation from LibTorch's (so: the budget's) allocator, carved into aligned buffers.
/// `layout` is called twice, with a Carver that measures and with one that hands out.
class Arena {
 public:
  class Carver {
   public:
    template <typename T>
    T* take(int64_t count) {
      T* at = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
      used_ += (static_cast<int64_t>(sizeof(T)) * count + 63) / 64 * 64;
      return at;
    }

   private:
    friend class Arena;
    std::byte* base_ = nullptr;
    int64_t used_ = 0;
  };

  /// Releases what it held, then allocates; on failure it is left empty.
  template <typename Layout>
  void carve(Layout layout) {
    release();
    Carver measure;
    layout(measure);
    memory_ = at::empty({measure.used_}, at::TensorOptions().dtype(at::kByte));
    Carver hand_out;
    hand_out.base_ = static_cast<std::byte*>(memory_.mutable_data_ptr());
    layout(hand_out);
  }
  void release() { memory_.reset(); }
  void* data() const { return memory_.defined() ? memory_.mutable_data_ptr() : nullptr; }
  int64_t bytes() const { return memory_.defined() ? memory_.numel() : 0; }

 private:
  at::Tensor memory_;
};

/// A flat tensor of floats, uninitialised.
inline at::Tensor empty_floats(int64_t count) { return at::empty({count}, at::TensorOptions().dtype(at::kFloat)); }

}  // namespace vectune
