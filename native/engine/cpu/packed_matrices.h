#pragma once
#include <cstdint>
#include <unordered_map>

#include "cpu/gemm.h"
#include "model/parameters.h"
#include "runtime/arena.h"

namespace vectune {

/// Copies of the encoder's matrices in the order in which products with fixed weights read them, in precision T.
template <typename T>
class PackedMatrices {
 public:
  /// `flat` is the model's fp32 buffer in the table's layout; `suits` must hold.
  PackedMatrices(const ParameterTable& table, const float* flat);
  const T* at(const LinearAt& linear) const { return matrices_.at(linear.weight); }

  /// Whether this processor multiplies packed matrices of these dimensions.
  static bool suits(const ParameterTable& table);

 private:
  Arena arena_;
  std::unordered_map<int64_t, T*> matrices_;  // by the weight's offset
};

extern template class PackedMatrices<float>;
extern template class PackedMatrices<bf16>;

}  // namespace vectune
