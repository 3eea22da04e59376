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

  PackedAttention(Kernel kernel, int64_t heads, int64_t key_heads, int64_t head_size)
      : kernel_(kernel), heads_(heads), key_heads_(kernel == Kernel::kFlash ? key_heads : heads), size_(head_size) {}
  Kernel kernel() const { return kernel_; }
  /// Whether it takes fewer heads of keys and values as they are; else there are as many as heads of queries.
  bool takes_grouped() const { return kernel_ == Kernel::kFlash; }
  /// Reaches that every kernel has: all of the text, or what stands before the query, and the query.
  static bool is_whole_or_causal(const Reach& reach) { return reach == Reach() || reach == kCausal; }
  static constexpr Reach kCausal{Reach::kAll, 0};

  /// What forward leaves for backward.
  struct Saved {
    at::Tensor out, logsumexp, seed, offset;
    std::vector<at::Tensor> probabilities, masks;  // of kPlain, for each text
  };

  /// qkv [rows × (heads + 2·key heads)·size] → [rows × heads·size]. `saved` is null in inference. Dropout draws from
  /// the default generator of the place. Only kFlash has another reach than is_whole_or_causal that does not cover the
  /// texts.
  at::Tensor forward(const at::Tensor& qkv, const DeviceBatch& batch, double dropout, Saved* saved,
                     const Reach& reach = {}) const;
  /// → the gradient of qkv.
  at::Tensor backward(const at::Tensor& dout, const at::Tensor& qkv, const DeviceBatch& batch, double dropout,
                      const Saved& saved, const Reach& reach = {}) const;

 private:
  /// Each [rows × heads × size], a view of qkv.
  struct Heads {
    at::Tensor q, k, v;
  };
  Heads heads_of(const at::Tensor& qkv, const DeviceBatch& batch) const;
  at::Tensor plain_forward(const at::Tensor& qkv, const DeviceBatch& batch, double dropout, Saved* saved,
                           bool causal) const;
  at::Tensor plain_backward(const at::Tensor& dout, const at::Tensor& qkv, const DeviceBatch& batch, double dropout,
                            const Saved& saved) const;

  Kernel kernel_;
  int64_t heads_, key_heads_, size_;
};

}  // namespace vectune::device
