#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/reach.h"
#include "torch/batch.h"
#include "torch/gpus.h"

namespace vectune::device {

/// Softmax attention within each text of a packed batch, forward and backward, with dropout of the probabilities.
class PackedAttention {
 public:
  /// LibTorch's kernels for packed texts, or a product and a softmax text by text, which runs anywhere and is slow.
  enum class Kernel { kFlash, kEfficient, kPlain };

  /// Flash attention wants fp16 or bf16, Ampere or newer, and heads of a multiple of 8 up to 256; memory-efficient
  /// attention takes fp32 too, and heads whose rows are aligned to 16 bytes.
  static Kernel choose(const Place& place, const Gpu& gpu, at::ScalarType type, int64_t head_size);

  PackedAttention(Kernel kernel, int64_t heads, int64_t head_size) : kernel_(kernel), heads_(heads), size_(head_size) {}
  Kernel kernel() const { return kernel_; }

  /// What forward leaves for backward.
  struct Saved {
    at::Tensor out, logsumexp, seed, offset;
    std::vector<at::Tensor> probabilities, masks;  // of kPlain, for each text
  };

  /// qkv [rows × 3·hidden] → [rows × hidden]. `saved` is null in inference. Dropout draws from the default generator of
  /// the place. Only kFlash has a reach that does not cover the texts.
  at::Tensor forward(const at::Tensor& qkv, const DeviceBatch& batch, double dropout, Saved* saved,
                     const Reach& reach = {}) const;
  /// → the gradient of qkv [rows × 3·hidden].
  at::Tensor backward(const at::Tensor& dout, const at::Tensor& qkv, const DeviceBatch& batch, double dropout,
                      const Saved& saved, const Reach& reach = {}) const;

 private:
  /// Each [rows × heads × size], a view of qkv.
  struct Heads {
    at::Tensor q, k, v;
  };
  Heads heads_of(const at::Tensor& qkv, const DeviceBatch& batch) const;
  at::Tensor plain_forward(const at::Tensor& qkv, const DeviceBatch& batch, double dropout, Saved* saved) const;
  at::Tensor plain_backward(const at::Tensor& dout, const at::Tensor& qkv, const DeviceBatch& batch, double dropout,
                            const Saved& saved) const;

  Kernel kernel_;
  int64_t heads_, size_;
};

}  // namespace vectune::device
