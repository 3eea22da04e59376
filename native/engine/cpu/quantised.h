#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu/linear.h"
#include "model/model.h"
#include "runtime/arena.h"

namespace vectune::cpu {

/// W in int8 as kernels/quantise.cpp packs it, with a scale and the sum of its integers for each output.
class QuantisedLinear final : public Linear<float> {
 public:
  QuantisedLinear(const int8_t* packed, const float* scales, const float* sums, int64_t in, int64_t out)
      : Linear<float>(in, out), packed_(packed), scales_(scales), sums_(sums) {}
  void forward(const float* x, float* y, int64_t rows, const LinearScratch& scratch) const override;

 private:
  const int8_t* packed_;
  const float *scales_, *sums_;
};

/// int8 copies of the encoder's matrices, with a scale for each output (row of W): kernels/quantise.cpp. Activations
/// are quantised row by row as they come.
class QuantisedMatrices final : public Matrices<float> {
 public:
  /// One matrix of the model after the other, which stays as it is; `supported` must hold.
  explicit QuantisedMatrices(const Model& model);

  /// Whether this processor multiplies int8 exactly.
  static bool supported();

 private:
  Arena arena_;
};

/// LinearScratch::quantised of x [rows × in], on a border of 2; `scales` are 2·rows floats.
int64_t quantised_bytes(int64_t rows, int64_t in);

}  // namespace vectune::cpu
