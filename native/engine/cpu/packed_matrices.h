#pragma once
#include "cpu/linear.h"
#include "model/model.h"
#include "runtime/arena.h"

namespace vectune::cpu {

/// Copies of the encoder's matrices in the order in which products with fixed weights read them, in precision T.
template <typename T>
class PackedMatrices final : public Matrices<T> {
 public:
  /// One matrix of the model after the other, which stays as it is; `suits` must hold.
  explicit PackedMatrices(const Model& model);

  /// Whether this processor multiplies packed matrices of these dimensions.
  static bool suits(const ParameterTable& table);

 private:
  Arena arena_;
};

extern template class PackedMatrices<float>;
extern template class PackedMatrices<bf16>;

}  // namespace vectune::cpu
