#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/parameters.h"

namespace vectune {

/// Weights of a model whose files have the encoder's matrices and its table of words in bf16: these as they came, half
/// of what they take in fp32, and all else, which is few numbers, in fp32.
class HalfWeights {
 public:
  explicit HalfWeights(const ParameterTable& table);

  /// Whether what stands at an offset of the table is kept in bf16.
  bool is_half(int64_t offset) const;
  /// The bf16 numbers of a matrix, or fp32 numbers of all else, from an offset on.
  void* at(int64_t offset);
  const void* half(int64_t offset) const;
  const float* fp32(int64_t offset) const;
  /// All of it into a flat fp32 buffer in the table's layout, each part given back when it is there: nothing is left.
  void widen(float* flat);
  HalfWeights clone() const;

 private:
  struct Part {
    int64_t begin, elements;
    at::Tensor values;
  };
  HalfWeights() = default;
  const Part& part(int64_t offset) const;
  std::vector<Part> parts_;  // one behind the other
};

/// Values of a bf16 tensor's memory as fp32.
void widen(const void* half, int64_t count, float* to);

}  // namespace vectune
