#pragma once
#include <vector>

#include "torch/batch.h"
#include "torch/encoder_tensors.h"

namespace vectune::device {

/// native/engine/head.h over LibTorch's tensors: pooling, then Dense and Normalize modules in their order, in fp32.
class DeviceHead {
 public:
  DeviceHead(const ModelSpec& spec, const ParameterTable& table) : spec_(spec), table_(table) {}

  /// y: last hidden states [rows × hidden]; weights: fp32. Returns the embeddings [texts × dimension].
  at::Tensor forward(const DeviceBatch& batch, const at::Tensor& y, const FlatTensor& weights);
  /// Output of the pooling of the last forward [texts × pooled width].
  const at::Tensor& pooled() const { return pooled_; }

  /// d: gradient of the embeddings. Writes or adds to the gradients of the Dense modules (fp32) and returns that of y,
  /// in y's type.
  at::Tensor backward(const DeviceBatch& batch, at::Tensor d, const FlatTensor& weights, const FlatTensor& gradients,
                      bool accumulate);
  void release();

 private:
  struct Step {
    at::Tensor in, before, out;  // before: what a Dense's activation saw
  };
  at::Tensor pool(const DeviceBatch& batch, const at::Tensor& y);
  at::Tensor pool_backward(const DeviceBatch& batch, const at::Tensor& d) const;

  ModelSpec spec_;
  const ParameterTable& table_;
  at::ScalarType type_ = at::kFloat;  // of y
  at::Tensor y_, maxima_, pooled_;    // y and its maxima [texts + 1 × hidden] where max pooling needs them
  std::vector<Step> steps_;           // of head[1] and those after it
};

}  // namespace vectune::device
