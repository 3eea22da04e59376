#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <vector>

#include "nn/encoder.h"
#include "nn/head.h"

namespace vectune {

/// A whole model over one backend: from texts to vectors [texts × dimension], fp32 at the backend's place, and from
/// their gradient to those of the parameters. Engine thread.
class SentenceEncoder {
 public:
  SentenceEncoder(const ModelSpec& spec, const ParameterTable& table, Backend& backend)
      : spec_(spec), table_(table), backend_(backend), encoder_(table, backend), head_(spec, table, backend) {}

  /// With `keep` a `backward` may follow. The same texts and plan give the same vectors to the bit. Of hidden `layers`
  /// (0: the embedding layer) the head's vectors follow beside the last one's: [texts × (1 + layers) · dimension].
  at::Tensor forward(const Texts& texts, const DropoutPlan& dropout, bool keep, const Cancel& cancel,
                     const std::vector<int64_t>& layers = {}, const Encoder::Observer& observe = nullptr) {
    release_heads();
    layers_ = layers;
    for (size_t i = 0; i < layers.size(); ++i) hidden_heads_.emplace_back(spec_, table_, backend_, i + 1);
    std::vector<at::Tensor> vectors(1 + layers.size());
    backend_.pack(texts, keep);
    encoder_.forward(dropout, cancel, [&](int64_t layer) {
      if (observe) observe(layer);
      for (size_t i = 0; i < layers.size(); ++i)
        if (layers[i] == layer) vectors[1 + i] = hidden_heads_[i].forward();
    });
    vectors[0] = head_.forward();
    return layers.empty() ? vectors[0] : at::cat(vectors, 1);
  }

  /// Of the last forward, with its `dropout`.
  void backward(const at::Tensor& gradient, const DropoutPlan& dropout, const Wanted& wanted, const Cancel& cancel) {
    const int64_t dimension = gradient.size(1) / static_cast<int64_t>(1 + layers_.size());
    const auto part = [&](size_t i) { return gradient.narrow(1, static_cast<int64_t>(i) * dimension, dimension); };
    head_.backward(part(0));
    head_.release();
    encoder_.backward(dropout, wanted, cancel, [&](int64_t layer) {
      for (size_t i = 0; i < layers_.size(); ++i)
        if (layers_[i] == layer) hidden_heads_[i].backward(part(1 + i));
    });
    release_heads();
  }

  const at::Tensor& pooled() const { return head_.pooled(); }
  int64_t head_bytes() const {
    int64_t sum = head_.bytes();
    for (const Head& head : hidden_heads_) sum += head.bytes();
    return sum;
  }
  /// Gives all buffers back.
  void release() {
    release_heads();
    backend_.release();
  }

 private:
  void release_heads() {
    head_.release();
    hidden_heads_.clear();
  }

  const ModelSpec& spec_;
  const ParameterTable& table_;
  Backend& backend_;
  Encoder encoder_;
  Head head_;
  std::vector<int64_t> layers_;     // of the last forward
  std::vector<Head> hidden_heads_;  // of each of them
};

}  // namespace vectune
