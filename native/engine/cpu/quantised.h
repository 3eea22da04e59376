#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "model/parameters.h"
#include "runtime/arena.h"

namespace vectune {

/// int8 copies of the encoder's matrices, with a scale for each output (row of W): kernels/quantise.cpp.
class QuantisedMatrices {
 public:
  struct Matrix {
    const int8_t* packed;
    const float *scales, *sums;  // [out]; sums of each row's integers
  };

  /// `flat` is the model's buffer in the table's layout; `supported` must hold.
  QuantisedMatrices(const ParameterTable& table, const float* flat);
  Matrix at(const LinearAt& linear) const { return matrices_.at(linear.weight); }

  /// Whether this processor multiplies int8 exactly.
  static bool supported();

 private:
  Arena arena_;
  std::unordered_map<int64_t, Matrix> matrices_;  // by the weight's offset
};

/// What x [rows × in] takes when it is quantised.
int64_t quantised_bytes(int64_t rows, int64_t in);
/// y ≈ x·Wᵀ with x [rows × in] quantised row by row as it comes. `q` and `scales` are scratch of quantised_bytes, on a
/// border of 2 of them, and 2·rows floats; y [rows × out].
void quantised_product(const float* x, const QuantisedMatrices::Matrix& w, float* y, int64_t rows, int64_t in,
                       int64_t out, std::byte* q, float* scales);

}  // namespace vectune
