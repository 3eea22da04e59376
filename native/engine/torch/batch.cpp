#include "torch/batch.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace vectune::device {

DeviceBatch stage(const Place& place, const Texts& texts, const EncoderSpec& spec) {
  DeviceBatch batch;
  batch.texts = texts.count;
  const auto [tokens, longest, shortest] = texts.size();
  batch.tokens = tokens;
  batch.has_empty = shortest == 0;
  batch.pad_row = texts.pad_row(spec);
  batch.rows = (tokens / kDeviceRowRounding + 1) * kDeviceRowRounding;
  const int64_t rows = batch.rows, dummy = rows - tokens, segments = texts.count + 1;
  batch.longest = std::max(longest, dummy);

  const int64_t parts[] = {rows, rows, rows, segments + 1, segments, texts.whole ? 0 : segments};
  int64_t begin[6], elements = 0;
  for (int i = 0; i < 6; ++i) {
    begin[i] = elements;
    elements += (parts[i] + 15) / 16 * 16;
  }
  const auto options = at::TensorOptions().dtype(at::kInt).pinned_memory(place.cuda());
  const at::Tensor staging = at::empty({elements}, options);
  int32_t* const to = staging.mutable_data_ptr<int32_t>();
  Texts::Rows at;
  at.ids = to + begin[0];
  at.positions = to + begin[1];
  at.text_of_row = to + begin[2];
  at.starts = to + begin[3];
  at.lengths = to + begin[4];
  if (!texts.whole) at.unpooled = to + begin[5];
  texts.lay_out(spec, at);
  at.starts[segments] = static_cast<int32_t>(rows);
  at.lengths[texts.count] = static_cast<int32_t>(dummy);
  if (at.unpooled) at.unpooled[texts.count] = 0;
  std::fill(at.ids + tokens, at.ids + rows, 0);
  std::fill(at.positions + tokens, at.positions + rows, static_cast<int32_t>(spec.position_offset));
  std::fill(at.text_of_row + tokens, at.text_of_row + rows, static_cast<int32_t>(texts.count));
  batch.host_starts.assign(at.starts, at.starts + segments + 1);

  // The host's caching allocator keeps the buffer from being used again before the copy is done.
  const at::Tensor there = place.cuda() ? staging.to(place.torch(), /*non_blocking=*/true) : staging;
  const auto part = [&](int i) { return there.narrow(0, begin[i], parts[i]); };
  batch.ids = part(0);
  batch.positions = part(1);
  batch.text_of_row = part(2);
  batch.starts = part(3);
  batch.lengths = part(4);
  if (!texts.whole) batch.unpooled = part(5);
  return batch;
}

}  // namespace vectune::device
