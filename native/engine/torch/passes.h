#pragma once
#include <map>
#include <optional>

#include "nn/sentence_encoder.h"
#include "torch/torch_backend.h"
#include "train/backend.h"

namespace vectune::device {

/// The passes over LibTorch's tensors on `options.place`.
class DevicePasses final : public Passes {
 public:
  explicit DevicePasses(const TrainingContext& context);

  void guarded(const std::function<void()>& work) const override;
  at::Tensor forward(std::span<const int32_t> texts, const std::vector<int64_t>& layers, const MaskKey& masks,
                     bool keep) override;
  void backward(const at::Tensor& gradient, LiveState& state, bool add) override;
  at::Tensor evaluate(std::span<const int32_t> texts, const std::vector<int64_t>& layers) override;
  void end_evaluation() override { encoder_.release(); }
  void weights_replaced(LiveState& state) override;
  void release() override;
  at::Tensor send(const at::Tensor& tensor) const override;
  at::Tensor at_work(const at::Tensor& tensor) const override {
    return tensor.defined() ? tensor.to(c_.options.place.torch()) : tensor;
  }
  at::Tensor on_host(const at::Tensor& tensor) const override { return tensor.defined() ? tensor.cpu() : tensor; }

  /// Makes room for gradients, where there is none.
  void reserve_gradients(LiveState& state);
  /// The gradients are another tensor now, or none.
  void forget_gradients(const LiveState& state);
  /// The weights' values have changed, not where they are. Takes no memory.
  void weights_changed(const LiveState& state);
  at::TensorOptions floats() const { return at::TensorOptions().dtype(at::kFloat).device(c_.options.place.torch()); }

 private:
  Cancel cancel() const { return {&c_.cancelled}; }
  at::Tensor words_of(const at::Tensor& flat) const;
  void seed_masks(const MaskKey& key) const;

  const TrainingContext c_;
  const at::ScalarType type_;
  TorchBackend backend_;
  SentenceEncoder encoder_;
  DropoutPlan plan_;                     // of the last forward
  at::Tensor compute_, half_gradients_;  // all weights, and the encoder's gradients, in the compute type
  std::map<int64_t, at::Tensor> kept_;   // TrainingLayout's, on the device in the compute type
  bool has_gradients_ = false;           // the backend knows where they go
};

}  // namespace vectune::device
