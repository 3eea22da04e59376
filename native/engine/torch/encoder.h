#pragma once
#include <functional>
#include <vector>

#include "cpu/encoder.h"
#include "runtime/cancel.h"
#include "torch/batch.h"
#include "torch/encoder_tensors.h"
#include "torch/packed_attention.h"

namespace vectune::device {

/// Probabilities of one pass; zero in evaluation. The masks come from the place's default generator.
struct DropoutRates {
  double hidden = 0, attention = 0, attention_out = 0;
};

/// What forward leaves for backward. Backward gives each layer's memory back as soon as it has done with it.
struct DeviceActivations {
  struct Layer {
    at::Tensor qkv, context;
    PackedAttention::Saved attention;
    at::Tensor mask1, sum1, mean1, rstd1, y1;
    at::Tensor up, act;
    at::Tensor mask2, sum2, mean2, rstd2, y2;
  };
  at::Tensor mask0, sum0, mean0, rstd0, y0;
  std::vector<Layer> layers;
};

/// Where the gradients go. `encoder` is overwritten, or with `accumulate` added to; the tables (fp32) are always added
/// to.
struct EncoderGradients {
  EncoderTensors encoder;
  EmbeddingTables tables;
  bool accumulate = false;
};

/// The encoder of native/engine/encoder.h over LibTorch's tensors, in one compute type throughout: the same post-norm
/// transformer, its backward written out by hand, on whatever device the tensors are.
class DeviceEncoder {
 public:
  DeviceEncoder(const EncoderSpec& spec, PackedAttention attention) : spec_(spec), attention_(attention) {}

  /// Called with the embedding layer's output (0) and each layer's (1 …), [rows × hidden].
  using Observer = std::function<void(int64_t layer, const at::Tensor& y)>;

  /// Last hidden states [rows × hidden]. `saved` is null in inference.
  at::Tensor forward(const DeviceBatch& batch, const EmbeddingTables& tables, const EncoderTensors& weights,
                     const DropoutRates& dropout, DeviceActivations* saved, const Cancel& cancel,
                     const Observer& observe = nullptr) const;

  /// `dy` is the gradient of the last hidden states, in the compute type.
  void backward(at::Tensor dy, const DeviceBatch& batch, const EncoderTensors& weights, const DropoutRates& dropout,
                DeviceActivations& saved, const EncoderGradients& gradients, const Wanted& wanted,
                const Cancel& cancel) const;

 private:
  EncoderSpec spec_;
  PackedAttention attention_;
};

}  // namespace vectune::device
