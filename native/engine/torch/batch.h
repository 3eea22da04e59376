#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "model/place.h"

namespace vectune::device {

/// Packed texts in the device's memory. After the last text stands a dummy of 1 to 64 tokens, so that there are few
/// different row counts (the caching allocator likes that) and no row is without a text: attention over packed texts
/// gives rows beyond the last one undefined gradients. Nothing reads the dummy's result, so its gradients are zero.
struct DeviceBatch {
  int64_t tokens = 0, rows = 0;            // of the texts; with the dummy
  int64_t texts = 0;                       // without the dummy
  int64_t longest = 0;                     // with it
  at::Tensor ids, positions, text_of_row;  // int32 [rows]; positions with the model's offset
  at::Tensor starts, lengths;              // int32 [texts + 2], [texts + 1]
  at::Tensor scores;                       // float [pairs]
  std::vector<int32_t> host_starts;        // as `starts`, for what goes text by text
};

struct StagedText {
  const int32_t* ids;
  int64_t length;
};

inline constexpr int64_t kDeviceRowRounding = 64;

/// Lays the texts out in one pinned buffer and sends it in one asynchronous copy: the processor goes on at once, and
/// assembles the batch after this one while the device works. `remap` (may be null) replaces ids by rows of a compact
/// table; `scores` may be empty.
DeviceBatch stage(const Place& place, int64_t texts, const std::function<StagedText(int64_t)>& text,
                  const std::vector<float>& scores, int64_t position_offset, const int32_t* remap);

}  // namespace vectune::device
