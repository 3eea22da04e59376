#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/encoder.h"
#include "cpu/kernels.h"
#include "model/parameters.h"
#include "model/spec.h"
#include "runtime/arena.h"

namespace vectune {

/// What follows the encoder: pooling, then Dense and Normalize modules in their order. fp32 throughout.
class Head {
 public:
  Head(const ModelSpec& spec, const ParameterTable& table);

  int64_t dimension() const { return widths_.back(); }
  int64_t widest() const { return *std::max_element(widths_.begin(), widths_.end()); }

  /// y: last hidden states [rows × hidden]. Returns the embeddings [texts × dimension], valid until the next call.
  const float* forward(const kernels::Rows& rows, const float* y, const FlatView<const float>& weights);
  /// Output of the pooling of the last forward [texts × pooled width].
  const float* pooled() const { return values_.front(); }
  int64_t pooled_width() const { return widths_.front(); }

  /// d: gradient of the embeddings [texts × widest module] (used as scratch). Writes dy [padded × hidden] and, unless
  /// `accumulate` adds, overwrites the gradients of the Dense modules.
  void backward(const kernels::Rows& rows, const FlatView<const float>& weights, float* d, float* dy,
                const FlatView<float>& gradients, bool accumulate);

  void release();
  int64_t bytes() const { return arena_.bytes() + products_.bytes(); }

 private:
  void reserve(int64_t texts);
  void pool(const kernels::Rows& rows, const float* y, float* out);
  void pool_backward(const kernels::Rows& rows, const float* d, float* dy) const;

  ModelSpec spec_;
  const ParameterTable& table_;
  std::vector<int64_t> widths_;  // output width of each module
  Arena arena_;
  ProductScratch products_;
  int64_t texts_ = 0;
  std::vector<float*> values_;  // output of each module [texts × width]
  float* gradient_ = nullptr;   // the other of the two gradients that take turns
  int32_t* argmax_ = nullptr;   // row of each maximum [texts × hidden]; null without max pooling
};

}  // namespace vectune
