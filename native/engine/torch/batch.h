#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/place.h"
#include "nn/texts.h"

namespace vectune::device {

/// Packed texts in the device's memory. After the last text stands a dummy of 1 to 64 tokens, so that there are few
/// different row counts (the caching allocator likes that) and no row is without a text: attention over packed texts
/// gives rows beyond the last one undefined gradients. Nothing reads the dummy's result, so its gradients are zero.
struct DeviceBatch {
  int64_t tokens = 0, rows = 0;            // of the texts; with the dummy
  int64_t texts = 0;                       // without the dummy
  int64_t longest = 0;                     // with it
  at::Tensor ids, positions, text_of_row;  // int32 [rows]; positions are rows of the table
  at::Tensor starts, lengths;              // int32 [texts + 2], [texts + 1]
  at::Tensor unpooled;                     // int32 [texts + 1], rows that no pooling sees; undefined without
  bool has_empty = false;                  // a text without a row
  int64_t pad_row = -1;                    // the padding token's of the word table, if any
  std::vector<int32_t> host_starts;        // as `starts`, for what goes text by text
};

inline constexpr int64_t kDeviceRowRounding = 64;

/// Lays the texts out in one pinned buffer and sends it in one asynchronous copy: the processor goes on at once, and
/// assembles the batch after this one while the device works.
DeviceBatch stage(const Place& place, const Texts& texts, const EncoderSpec& spec);

}  // namespace vectune::device
