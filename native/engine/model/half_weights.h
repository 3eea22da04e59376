#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/parameters.h"

namespace vectune {

/// Weights of a model whose files have the encoder's matrices and its table of words in bf16: these as they came, half
/// of what they take in fp32, and all else, which is few numbers, in fp32. So is a matrix that is asked for in fp32.
class HalfWeights {
 public:
  explicit HalfWeights(const ParameterTable& table);

  /// Whether what stands at an offset of the table is kept in bf16.
  bool is_half(int64_t offset) const;
  /// The bf16 numbers of a matrix, or fp32 numbers of all else, from an offset on.
  void* at(int64_t offset);
  const void* half(int64_t offset) const;
  const float* fp32(int64_t offset) const;
  float* fp32(int64_t offset) { return static_cast<float*>(at(offset)); }
  /// What [begin, begin + count) of the table's layout is worth, into `to`.
  void read(int64_t begin, int64_t count, float* to) const;
  /// Keeps the matrix that has an offset in fp32 from now on, worth what it was. c10::OutOfMemoryError.
  void make_fp32(int64_t offset);
  /// A matrix that is kept in bf16, or the table of words. It stays as it is while it is held.
  at::Tensor kept(int64_t offset) const { return part(offset).values; }
  /// How many matrices are kept in bf16, the table of words among them.
  size_t kept_matrices() const;
  /// Where the matrix begins that has an offset.
  int64_t begin_of(int64_t offset) const { return part(offset).begin; }
  int64_t bytes() const;
  /// each(offset, values) for all parts, one behind the other.
  template <typename Each>
  void for_each_part(const Each& each) const {
    for (const Part& p : parts_) each(p.begin, p.values);
  }
  /// All of it into a flat fp32 buffer in the table's layout, each part given back when it is there: nothing is left.
  void widen(float* flat);
  HalfWeights clone() const;

 private:
  struct Part {
    int64_t begin, elements;
    at::Tensor values;
  };
  HalfWeights() = default;
  size_t number_of(int64_t offset) const;
  const Part& part(int64_t offset) const { return parts_[number_of(offset)]; }
  std::vector<Part> parts_;  // one behind the other
};

/// Values of a bf16 tensor's memory as fp32; by the whole team.
void widen(const void* half, int64_t count, float* to);

}  // namespace vectune
