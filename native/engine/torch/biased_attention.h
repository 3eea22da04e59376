#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "torch/batch.h"

namespace vectune::device {

/// Softmax attention within each text of a packed batch with a bias of the scores by head and distance, forward and
/// backward, with dropout of the probabilities. LibTorch's kernels for packed texts take no such bias: texts of near
/// length are padded together, and their scores stand in memory.
class BiasedAttention {
 public:
  BiasedAttention(int64_t heads, int64_t head_size) : heads_(heads), size_(head_size) {}

  /// Of one pass: the texts by length, and what of the bias is the same for all layers.
  void pack(const Place& place, const DeviceBatch& batch, const at::Tensor& relative);

  /// What forward leaves for backward, of each group.
  struct Saved {
    std::vector<at::Tensor> probabilities, masks;
  };

  /// qkv [rows × 3·hidden] → [rows × hidden]. `saved` is null in inference. Dropout draws from the default generator of
  /// the place.
  at::Tensor forward(const at::Tensor& qkv, double dropout, Saved* saved) const;
  /// → the gradient of qkv [rows × 3·hidden]; adds that of the bias to `relative` [kRelativeBuckets × heads], where it
  /// is defined.
  at::Tensor backward(const at::Tensor& dout, const at::Tensor& qkv, double dropout, const Saved& saved,
                      at::Tensor relative) const;

 private:
  /// Texts padded to one length: row numbers of the batch.
  struct Group {
    int64_t texts, length;
    at::Tensor padded;   // int64 [texts · length]; where a text has ended, any row
    at::Tensor rows;     // int64, those that are a text's
    at::Tensor places;   // int64, where in `padded` they stand; undefined where that is all of it
    at::Tensor is_past;  // bool [texts × length], where a text has ended; undefined where none has
  };
  at::Tensor gathered(const Group& group, const at::Tensor& x, int64_t parts) const;
  void scatter(const Group& group, const at::Tensor& from, at::Tensor to) const;

  int64_t heads_, size_, rows_ = 0;
  std::vector<Group> groups_;
  at::Tensor buckets_;  // int64 [longest × longest], by query and key
  at::Tensor bias_;     // fp32 [heads × longest × longest]
};

}  // namespace vectune::device
