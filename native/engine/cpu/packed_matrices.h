#pragma once
#include "cpu/linear.h"
#include "runtime/arena.h"

namespace vectune::cpu {

/// Copies of the encoder's matrices in the order in which products with fixed weights read them, in precision T.
template <typename T>
class PackedMatrices final : public Matrices<T> {
 public:
  /// `flat` is the model's fp32 buffer in the table's layout; `suits` must hold.
  PackedMatrices(const ParameterTable& table, const float* flat);

  /// Whether this processor multiplies packed matrices of these dimensions.
  static bool suits(const ParameterTable& table);

 private:
  Arena arena_;
};

extern template class PackedMatrices<float>;
extern template class PackedMatrices<bf16>;

}  // namespace vectune::cpu
