#include "cpu/packed_batch.h"

namespace vectune {

void PackedBatch::pack(const Texts& texts, const EncoderSpec& spec, int64_t rounding) {
  const auto [tokens, longest, shortest] = texts.size();
  (void)shortest;
  longest_ = longest;
  whole_ = texts.whole;
  if (tokens > capacity_rows_ || texts.count > capacity_texts_) {
    capacity_rows_ = capacity_texts_ = 0;
    arena_.carve([&, tokens = tokens](Arena::Carver& carver) {
      to_.row_keys = carver.take<uint64_t>(tokens);
      to_.ids = carver.take<int32_t>(tokens);
      to_.positions = carver.take<int32_t>(tokens);
      to_.starts = carver.take<int32_t>(texts.count + 1);
      to_.indices = carver.take<int32_t>(texts.count);
      to_.unpooled = carver.take<int32_t>(texts.count);
    });
    capacity_rows_ = tokens;
    capacity_texts_ = texts.count;
  }
  texts.lay_out(spec, to_);
  rows_ = {tokens,       (tokens + rounding - 1) / rounding * rounding,
           texts.count,  to_.starts,
           to_.ids,      to_.positions,
           to_.row_keys, to_.indices};
}

void PackedBatch::release() {
  arena_.release();
  capacity_rows_ = capacity_texts_ = 0;
  rows_ = {};
}

}  // namespace vectune
