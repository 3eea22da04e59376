#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/reach.h"
#include "torch/batch.h"

namespace vectune::device {

/// Softmax attention within each text of a packed batch of the keys within a bounded reach, forward and backward, with
/// dropout of the probabilities: where no kernel of LibTorch's has it. Queries go in blocks, each with the keys that
/// any of it sees, so that work and memory are in proportion to the tokens.
class LocalAttention {
 public:
  LocalAttention(const Reach& reach, int64_t heads, int64_t head_size)
      : reach_(reach), heads_(heads), size_(head_size) {}
  const Reach& reach() const { return reach_; }

  /// Of one pass: which rows stand in which block.
  void pack(const Place& place, const DeviceBatch& batch);

  /// What forward leaves for backward.
  struct Saved {
    at::Tensor probabilities, mask;
  };

  /// qkv [rows × 3·hidden] → [rows × hidden]. `saved` is null in inference. Dropout draws from the default generator of
  /// the place.
  at::Tensor forward(const at::Tensor& qkv, double dropout, Saved* saved) const;
  /// → the gradient of qkv [rows × 3·hidden].
  at::Tensor backward(const at::Tensor& dout, const at::Tensor& qkv, double dropout, const Saved& saved) const;

 private:
  at::Tensor blocks_of(const at::Tensor& x, const at::Tensor& rows, int64_t each) const;

  const Reach reach_;
  const int64_t heads_, size_;
  int64_t rows_ = 0, blocks_ = 0, queries_ = 0, keys_ = 0;  // of the batch; and in a block
  at::Tensor query_rows_;  // int64 [blocks · queries]: where a text has ended, its last row
  at::Tensor key_rows_;    // int64 [blocks · keys]: where there is none, any row
  at::Tensor places_;      // int64 [rows]: of each row of the batch, where it stands in `query_rows_`
  at::Tensor hidden_;      // bool [blocks × 1 × queries × keys]: keys that a query does not see
  at::Tensor past_;        // bool [blocks · queries]: where a text has ended
};

}  // namespace vectune::device
