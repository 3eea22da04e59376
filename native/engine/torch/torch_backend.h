#pragma once
#include <cmath>
#include <vector>

#include "nn/backend.h"
#include "nn/rotary_tables.h"
#include "torch/batch.h"
#include "torch/biased_attention.h"
#include "torch/encoder_tensors.h"
#include "torch/local_attention.h"
#include "torch/packed_attention.h"

namespace vectune::device {

/// The operations over LibTorch's tensors, in one compute type throughout, on whatever device the tensors are; the head
/// is fp32. Dropout draws from the place's default generator. In backward each layer's memory is given back as soon as
/// it is done with.
class TorchBackend final : public Backend {
 public:
  TorchBackend(const ModelSpec& spec, const ParameterTable& table, const Place& place, at::ScalarType type);

  struct Parameters {
    EncoderTensors encoder;  // in the compute type
    EmbeddingTables tables;  // of weights in the compute type, of gradients in fp32
    HeadTensors head;        // fp32
  };
  /// What operations read, until it is given again.
  void set_weights(Parameters weights) { weights_ = std::move(weights); }
  /// Where gradients go. Overwritten, or with `add_to_…` added to; the embedding tables' are always added to.
  void set_gradients(Parameters gradients) { gradients_ = std::move(gradients); }
  void add_gradients(bool add_to_encoder, bool add_to_head) {
    add_to_encoder_ = add_to_encoder;
    add_to_head_ = add_to_head;
  }

  const DeviceBatch& batch() const { return batch_; }

  void pack(const Texts& texts, bool keep) override;
  void embed(const NormAt& norm, const Dropout& dropout) override;
  void embed_backward(const NormAt& norm, const Dropout& dropout, const Wanted& wanted) override;
  void project(const LinearAt& projection) override;
  void project_backward(const LinearAt& projection, bool weights) override;
  void attention(int64_t layer, const LinearAt& qkv, const Dropout& dropout) override;
  void attention_backward(int64_t layer, const LinearAt& qkv, const Dropout& dropout, bool weights,
                          bool input) override;
  void feed_forward(int64_t layer, const LinearAt& up, const Dropout& dropout) override;
  void feed_forward_backward(int64_t layer, const LinearAt& up, const Dropout& dropout, bool weights) override;
  void norm_before(int64_t layer, Branch part, const NormAt& norm) override;
  void norm_before_backward(int64_t layer, Branch part, const NormAt& norm) override;
  void residual(int64_t layer, Branch branch, const LinearAt& out, const Dropout& dropout) override;
  void residual_backward(int64_t layer, Branch branch, const LinearAt& out, const Dropout& dropout,
                         bool weights) override;
  void normed_residual(int64_t layer, Branch branch, const LinearAt& out, const NormAt& norm) override;
  void normed_residual_backward(int64_t layer, Branch branch, const LinearAt& out, const NormAt& norm,
                                bool weights) override;
  void final_norm(const NormAt& norm) override;
  void final_norm_backward(const NormAt& norm) override;
  void residual_norm(int64_t layer, Branch branch, const LinearAt& out, const NormAt& norm,
                     const Dropout& dropout) override;
  void residual_norm_backward(int64_t layer, Branch branch, const LinearAt& out, const NormAt& norm,
                              const Dropout& dropout, bool weights) override;
  at::Tensor pool(const std::vector<PoolingMode>& modes, size_t number) override;
  void pool_backward(const std::vector<PoolingMode>& modes, const at::Tensor& gradient, size_t number) override;
  at::Tensor dense(const LinearAt& at, const at::Tensor& x) override;
  at::Tensor dense_backward(const LinearAt& at, const at::Tensor& gradient, const at::Tensor& x, bool again) override;
  NormVectors module_norm(const NormAt& at) override;
  void module_norm_gradients(const NormAt& at, const NormVectors& gradients, bool again) override;
  at::Tensor hidden_states() const override;
  /// Of activations; what the allocator caches stays with it.
  void release() override;

 private:
  /// What a residual sum and its norm leave for backward.
  struct Normed {
    at::Tensor mask, sum, mean, rstd, y;
  };
  struct Layer {
    at::Tensor qkv, context;
    PackedAttention::Saved attention;
    BiasedAttention::Saved biased;
    LocalAttention::Saved local;
    at::Tensor up, act, gate_mask;
    Normed before;            // what attention reads, where a norm stands before it
    Normed branches[2];       // what the parts give, where a norm stands behind them
    Normed attended, output;  // of residual sums; where norms stand before, `attended` is what the feed-forward reads
  };
  /// Where the operations of a layer leave what they make; of a pass that keeps nothing, in the same place each.
  Layer& layer(int64_t i) { return keep_ ? layers_[static_cast<size_t>(i)] : passing_; }
  void normalise(const NormAt& at, NormKind kind, Normed& n) const;
  at::Tensor normalise_backward(const NormAt& at, NormKind kind, const Normed& n, const at::Tensor& dy, bool add) const;
  /// Whether gradients of a layer's parameters are added to: others of the same parameters were before.
  bool adds(int64_t i) const { return add_to_encoder_ || (spec_.architecture->shares_layers && i + 1 < spec_.layers); }
  /// Whether a part reads what a norm made of the stream.
  bool normed_before(int64_t i, Branch part) const {
    return spec_.architecture->norms_before() &&
           (part == Branch::kFeedForward || table_.layers[static_cast<size_t>(i)].attention_norm.exists());
  }
  /// Of a layer, where its reach is within the texts and PackedAttention has no kernel for that; else null.
  const LocalAttention* local(int64_t i) const;
  /// Whether a layer's attention takes fewer heads of keys and values as they are.
  bool takes_grouped(int64_t i) const { return attention_.takes_grouped() && !local(i) && table_.relative_bias < 0; }
  double word_scale() const { return std::sqrt(static_cast<double>(spec_.hidden_size)); }
  /// Turns query and key by the angles of their positions, or `back`.
  void rotate(int64_t layer, bool back, const at::Tensor& qkv) const;
  /// What attention multiplies, of what the product gave: heads of queries and keys through their norms and turned, and
  /// each head of keys and values as often as its kernel wants it.
  at::Tensor ready_heads(int64_t layer, const at::Tensor& qkv) const;
  /// The gradient of what the product gave, from that of what attention multiplied.
  at::Tensor ready_heads_backward(int64_t layer, const at::Tensor& qkv, const at::Tensor& dready) const;
  /// [rows × heads × size] of queries and keys, each through its head's norm; queries times their scale.
  at::Tensor head_norm(const NormAt& at, const at::Tensor& x, double scale) const;
  at::Tensor head_norm_backward(const NormAt& at, const at::Tensor& x, const at::Tensor& dy, double scale,
                                bool add) const;
  void send_angles();

  const EncoderSpec spec_;
  const ParameterTable& table_;
  const Place place_;
  const at::ScalarType type_;
  const PackedAttention attention_;
  BiasedAttention biased_;             // in its place where the architecture has a bias by distance
  std::vector<LocalAttention> local_;  // and of layers that see a part of the text, by reach
  RotaryTables rotary_;
  std::vector<RotaryTable> rotary_there_;  // in the device's memory
  std::vector<RotaryTable> angles_;        // of each row of the batch [rows × 1 × 1 × head size / 2]
  Parameters weights_, gradients_;
  bool add_to_encoder_ = false, add_to_head_ = false;

  DeviceBatch batch_;
  bool keep_ = false;
  Normed embedded_;
  at::Tensor projected_;  // what the first layer reads, where that is not what is embedded
  std::vector<Layer> layers_;
  Layer passing_;
  at::Tensor x_, input_;              // the stream, and what the next part reads
  at::Tensor dx_, dinput_, dbranch_;  // gradients
  Normed final_;
  /// For max pooling: the stream in fp32 and its maxima [texts + 1 × hidden].
  struct Pooled {
    at::Tensor from, maxima;
  };
  std::vector<Pooled> pooled_;  // of each pool
};

}  // namespace vectune::device
