#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>

#include <cstdint>

#include "train/dataset.h"

namespace vectune {

/// The embedding rows that a dataset uses, numbered from 0. A row that no text uses has zero gradient and zero
/// moments for ever, so AdamW only ever multiplies it by 1 − lr·λ; leaving it out of training and replaying those
/// factors at the end is exact.
class CompactVocabulary {
 public:
  CompactVocabulary(const Dataset& dataset, int64_t vocab_size)
      : remap_(at::full({vocab_size}, -1, at::TensorOptions().dtype(at::kInt))) {
    int32_t* row_of = remap_.mutable_data_ptr<int32_t>();
    for (int64_t i = 0; i < dataset.tokens(); ++i) row_of[dataset.ids()[i]] = 0;
    for (int64_t id = 0; id < vocab_size; ++id)
      if (row_of[id] == 0) row_of[id] = static_cast<int32_t>(size_++);
    used_ = at::full({size_}, 0, at::TensorOptions().dtype(at::kInt));
    for (int64_t id = 0; id < vocab_size; ++id)
      if (row_of[id] >= 0) used_.mutable_data_ptr<int32_t>()[row_of[id]] = static_cast<int32_t>(id);
  }

  int64_t size() const { return size_; }
  /// Vocabulary id of each compact row, rising.
  int64_t id(int64_t row) const { return used_.const_data_ptr<int32_t>()[row]; }
  /// Compact row of each vocabulary id; −1 where unused.
  const int32_t* remap() const { return remap_.const_data_ptr<int32_t>(); }

 private:
  at::Tensor remap_, used_;
  int64_t size_ = 0;
};

}  // namespace vectune
