#pragma once
#include <ATen/Context.h>
#include <c10/core/ScalarType.h>

#include <string>

#include "model/place.h"
#include "model/spec.h"
#include "runtime/errors.h"

namespace vectune::device {

/// The type that the device path computes in; Error(kInvalidArgument) for int8.
inline at::ScalarType compute_type(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
    case Precision::kTf32: return at::kFloat;
    case Precision::kBf16: return at::kBFloat16;
    case Precision::kFp16: return at::kHalf;
    case Precision::kInt8: break;
  }
  throw Error(ErrorCode::kInvalidArgument, "Precision int8 is for the processor only.");
}

/// While it lives the GPU's fp32 products are done in TF32, or else exactly. LibTorch's switch is one for the process;
/// all use is on the engine thread.
class ScopedTf32 {
 public:
  ScopedTf32(const Place& place, Precision precision) : cuda_(place.cuda()) {
    if (cuda_) set(precision == Precision::kTf32);
  }
  ~ScopedTf32() {
    if (cuda_) set(false);
  }
  ScopedTf32(const ScopedTf32&) = delete;
  ScopedTf32& operator=(const ScopedTf32&) = delete;

 private:
  // Not setFloat32Precision, which leaves LibTorch's older switch as it was: products then refuse to choose between the
  // two.
  static void set(bool on) { at::globalContext().setAllowTF32CuBLAS(on); }
  bool cuda_;
};

}  // namespace vectune::device
