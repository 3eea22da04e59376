#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cpu/encoder.h"
#include "cpu/gemm.h"
#include "cpu/head.h"
#include "cpu/packed_batch.h"

namespace vectune {

/// One way of computing embeddings: an encoder in precision T, its buffers and the head. Shared by a model's
/// `embed` and a trainer's evaluation; dropout is off.
template <typename T>
class InferencePass {
 public:
  InferencePass(const ModelSpec& spec, const ParameterTable& table, bool quantised = false)
      : encoder_(spec.encoder, table), head_(spec, table), activations_(spec.encoder, false, quantised) {}

  /// Returns [texts × dimension], valid until the next run.
  const float* run(const PackedBatch& batch, const EncoderWeights<T>& weights, const Cancel& cancel,
                   const typename Encoder<T>::Observer& observe = nullptr) {
    activations_.reserve(batch.rows().padded, batch.longest());
    const float* y = encoder_.forward(batch.rows(), weights, activations_, {}, cancel, observe);
    return head_.forward(batch.rows(), y, weights.fp32);
  }
  const Head& head() const { return head_; }
  void release() {
    activations_.release();
    head_.release();
  }

 private:
  Encoder<T> encoder_;
  Head head_;
  Activations<T> activations_;
};

/// Rows of a pack in inference: exact for a few texts, else a multiple that suits the products.
inline int64_t inference_rounding(Precision precision, int64_t tokens) {
  if (tokens <= 64) return 1;
  return precision == Precision::kBf16 ? Gemm<bf16>::row_rounding() : Gemm<float>::row_rounding();
}

}  // namespace vectune
