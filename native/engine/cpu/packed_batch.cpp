#include "cpu/packed_batch.h"

#include <algorithm>

namespace vectune {

void PackedBatch::pack(int64_t texts, const std::function<Text(int64_t)>& text, int64_t rounding,
                       const int32_t* remap) {
  int64_t tokens = 0;
  longest_ = 0;
  for (int64_t i = 0; i < texts; ++i) {
    const int64_t length = text(i).length;
    tokens += length;
    longest_ = std::max(longest_, length);
  }
  if (tokens > capacity_rows_ || texts > capacity_texts_) {
    capacity_rows_ = capacity_texts_ = 0;
    arena_.carve([&](Arena::Carver& carver) {
      row_keys_ = carver.take<uint64_t>(tokens);
      ids_ = carver.take<int32_t>(tokens);
      positions_ = carver.take<int32_t>(tokens);
      starts_ = carver.take<int32_t>(texts + 1);
      text_index_ = carver.take<int32_t>(texts);
    });
    capacity_rows_ = tokens;
    capacity_texts_ = texts;
  }
  int64_t row = 0;
  for (int64_t i = 0; i < texts; ++i) {
    const Text t = text(i);
    starts_[i] = static_cast<int32_t>(row);
    text_index_[i] = t.index;
    for (int64_t token = 0; token < t.length; ++token, ++row) {
      ids_[row] = remap ? remap[t.ids[token]] : t.ids[token];
      positions_[row] = static_cast<int32_t>(token);
      row_keys_[row] = static_cast<uint64_t>(static_cast<uint32_t>(t.index)) << 32 | static_cast<uint64_t>(token);
    }
  }
  starts_[texts] = static_cast<int32_t>(row);
  rows_ = {tokens,     (tokens + rounding - 1) / rounding * rounding, texts, starts_, ids_, positions_, row_keys_,
           text_index_};
}

void PackedBatch::release() {
  arena_.release();
  capacity_rows_ = capacity_texts_ = 0;
  rows_ = {};
}

}  // namespace vectune
