#pragma once
#include <ATen/core/Tensor.h>

#include "nn/encoder.h"
#include "nn/head.h"

namespace vectune {

/// A whole model over one backend: from texts to vectors [texts × dimension], fp32 at the backend's place, and from
/// their gradient to those of the parameters. Engine thread.
class SentenceEncoder {
 public:
  SentenceEncoder(const ModelSpec& spec, const ParameterTable& table, Backend& backend)
      : backend_(backend), encoder_(table, backend), head_(spec, table, backend) {}

  /// With `keep` a `backward` may follow. The same texts and plan give the same vectors to the bit.
  at::Tensor forward(const Texts& texts, const DropoutPlan& dropout, bool keep, const Cancel& cancel,
                     const Encoder::Observer& observe = nullptr) {
    head_.release();
    backend_.pack(texts, keep);
    encoder_.forward(dropout, cancel, observe);
    return head_.forward();
  }

  /// Of the last forward, with its `dropout`.
  void backward(const at::Tensor& gradient, const DropoutPlan& dropout, const Wanted& wanted, const Cancel& cancel) {
    head_.backward(gradient);
    head_.release();
    encoder_.backward(dropout, wanted, cancel);
  }

  const at::Tensor& pooled() const { return head_.pooled(); }
  int64_t head_bytes() const { return head_.bytes(); }
  /// Gives all buffers back.
  void release() {
    head_.release();
    backend_.release();
  }

 private:
  Backend& backend_;
  Encoder encoder_;
  Head head_;
};

}  // namespace vectune
