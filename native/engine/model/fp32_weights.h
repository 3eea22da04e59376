#pragma once
#include <cstdint>

#include "model/model.h"
#include "runtime/arena.h"

namespace vectune {

/// A model's parameters in fp32, a range of the table's layout at a time: where they stand, or, where the model keeps
/// them in bf16, made fp32 for as long as it takes to look at them. The model stays as it is. Engine thread.
class Fp32Weights {
 public:
  explicit Fp32Weights(const Model& model) : model_(model) {}

  /// Of [begin, begin + count): good until the next call. c10::OutOfMemoryError.
  const float* at(int64_t begin, int64_t count);

 private:
  const Model& model_;
  Arena wide_;
};

}  // namespace vectune
