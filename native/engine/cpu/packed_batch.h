#pragma once
#include <cstdint>

#include "cpu/kernels.h"
#include "nn/texts.h"
#include "runtime/arena.h"

namespace vectune {

/// Texts laid one after the other in rows, without padding between them, as the kernels read them.
class PackedBatch {
 public:
  /// The row count is rounded up to a multiple of `rounding`, which spares oneDNN a new primitive for every sum of
  /// lengths.
  void pack(const Texts& texts, const EncoderSpec& spec, int64_t rounding);
  void release();

  const kernels::Rows& rows() const { return rows_; }
  int64_t longest() const { return longest_; }
  /// Rows at the beginning of each text that no pooling sees; null where all are seen.
  const int32_t* unpooled() const { return whole_ ? nullptr : to_.unpooled; }

 private:
  Arena arena_;
  int64_t capacity_rows_ = 0, capacity_texts_ = 0, longest_ = 0;
  bool whole_ = true;
  Texts::Rows to_;
  kernels::Rows rows_;
};

}  // namespace vectune
