#pragma once
#include <cstdint>
#include <functional>

#include "cpu/kernels.h"
#include "runtime/arena.h"

namespace vectune {

/// Texts laid one after the other in rows, without padding between them.
class PackedBatch {
 public:
  /// A text to pack: its ids and its index in the data (dropout's key).
  struct Text {
    const int32_t* ids;
    int64_t length;
    int32_t index;
  };

  /// Packs `texts` texts; the row count is rounded up to a multiple of `rounding`, which spares oneDNN a new
  /// primitive for every sum of lengths. `remap` (may be null) replaces ids by rows of a compact table.
  void pack(int64_t texts, const std::function<Text(int64_t)>& text, int64_t rounding, const int32_t* remap);

  void release();

  const kernels::Rows& rows() const { return rows_; }
  int64_t longest() const { return longest_; }

 private:
  Arena arena_;
  int64_t capacity_rows_ = 0, capacity_texts_ = 0, longest_ = 0;
  int32_t *ids_ = nullptr, *positions_ = nullptr, *starts_ = nullptr, *text_index_ = nullptr;
  uint64_t* row_keys_ = nullptr;
  kernels::Rows rows_;
};

}  // namespace vectune
