#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "nn/backend.h"

namespace vectune {

/// What follows the encoder: pooling, then Dense, LayerNorm and Normalize modules in their order, in fp32. A pass may
/// have several, of the hidden states of several layers: `number` 0 is that of the last one.
class Head {
 public:
  Head(const ModelSpec& spec, const ParameterTable& table, Backend& backend, size_t number = 0)
      : spec_(spec), table_(table), backend_(backend), number_(number) {}

  /// Of the backend's stream: the vectors [texts × dimension].
  at::Tensor forward();
  /// Output of the pooling of the last forward [texts × pooled width].
  const at::Tensor& pooled() const { return pooled_; }
  /// From the gradient of the vectors to that of the stream; the gradients of the modules' parameters go where the
  /// backend was told. That of 0 comes first.
  void backward(at::Tensor gradient);
  /// Forgets what forward left for backward.
  void release();
  int64_t bytes() const;

 private:
  struct Step {
    at::Tensor in, out;
    at::Tensor before;     // what a Dense's activation saw
    at::Tensor activated;  // what it made of it; `out` where nothing is added
    at::Tensor mean;       // of a LayerNorm's rows
    at::Tensor scale;      // 1/σ of a LayerNorm's rows, 1/|in| of a Normalize's
  };
  const std::vector<PoolingMode>& modes() const { return std::get<PoolingSpec>(spec_.head.front()).modes; }

  const ModelSpec& spec_;
  const ParameterTable& table_;
  Backend& backend_;
  size_t number_;
  at::Tensor pooled_;
  std::vector<Step> steps_;  // of head[1] and those after it
};

}  // namespace vectune
