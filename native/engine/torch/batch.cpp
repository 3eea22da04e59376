#include "torch/batch.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

namespace vectune::device {

DeviceBatch stage(const Place& place, int64_t texts, const std::function<StagedText(int64_t)>& text,
                  const std::vector<float>& scores, int64_t position_offset, const int32_t* remap) {
  DeviceBatch batch;
  batch.texts = texts;
  for (int64_t i = 0; i < texts; ++i) {
    const int64_t length = text(i).length;
    batch.tokens += length;
    batch.longest = std::max(batch.longest, length);
  }
  batch.rows = (batch.tokens / kDeviceRowRounding + 1) * kDeviceRowRounding;
  const int64_t rows = batch.rows, dummy = rows - batch.tokens, segments = texts + 1;
  batch.longest = std::max(batch.longest, dummy);

  const int64_t parts[] = {rows, rows, rows, segments + 1, segments, static_cast<int64_t>(scores.size())};
  int64_t begin[6], elements = 0;
  for (int i = 0; i < 6; ++i) {
    begin[i] = elements;
    elements += (parts[i] + 15) / 16 * 16;
  }
  const auto options = at::TensorOptions().dtype(at::kInt).pinned_memory(place.cuda());
  const at::Tensor staging = at::empty({elements}, options);
  int32_t* const to = staging.mutable_data_ptr<int32_t>();
  int32_t *ids = to + begin[0], *positions = to + begin[1], *text_of_row = to + begin[2], *starts = to + begin[3],
          *lengths = to + begin[4];
  const auto offset = static_cast<int32_t>(position_offset);
  int64_t row = 0;
  for (int64_t i = 0; i < texts; ++i) {
    const StagedText t = text(i);
    starts[i] = static_cast<int32_t>(row);
    lengths[i] = static_cast<int32_t>(t.length);
    for (int64_t token = 0; token < t.length; ++token, ++row) {
      ids[row] = remap ? remap[t.ids[token]] : t.ids[token];
      positions[row] = static_cast<int32_t>(token) + offset;
      text_of_row[row] = static_cast<int32_t>(i);
    }
  }
  starts[texts] = static_cast<int32_t>(row);
  starts[segments] = static_cast<int32_t>(rows);
  lengths[texts] = static_cast<int32_t>(dummy);
  for (; row < rows; ++row) {
    ids[row] = 0;
    positions[row] = offset;
    text_of_row[row] = static_cast<int32_t>(texts);
  }
  if (!scores.empty()) std::memcpy(to + begin[5], scores.data(), sizeof(float) * scores.size());
  batch.host_starts.assign(starts, starts + segments + 1);

  // The host's caching allocator keeps the buffer from being used again before the copy is done.
  const at::Tensor there = place.cuda() ? staging.to(place.torch(), /*non_blocking=*/true) : staging;
  const auto part = [&](int i) { return there.narrow(0, begin[i], parts[i]); };
  batch.ids = part(0);
  batch.positions = part(1);
  batch.text_of_row = part(2);
  batch.starts = part(3);
  batch.lengths = part(4);
  batch.scores = part(5).view(at::kFloat);
  return batch;
}

}  // namespace vectune::device
