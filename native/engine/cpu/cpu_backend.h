#pragma once
#include <cmath>

#include "cpu/activations.h"
#include "cpu/linear.h"
#include "cpu/packed_batch.h"
#include "model/half_weights.h"
#include "nn/backend.h"
#include "nn/gradient_places.h"
#include "nn/rotary_tables.h"

namespace vectune::cpu {

/// The operations over the engine's own kernels, in compute precision T: matrices and their operands are T; tables,
/// norms, biases, sums and the residual stream are fp32.
template <typename T>
class CpuBackend final : public Backend {
 public:
  enum class Use { kTraining, kInference, kQuantisedInference };
  CpuBackend(const ModelSpec& spec, const ParameterTable& table, Use use);

  /// What operations read, until it is given again.
  void set_weights(const FlatView<const float>& fp32, const Matrices<T>& matrices);
  /// Of a model that keeps its weights in bf16.
  void set_weights(const HalfWeights& half, const Matrices<T>& matrices);
  /// Where backward operations write the gradients, or with `add` add to them; the embedding tables' are always added
  /// to. `places` outlives the operations.
  void set_gradients(float* gradients, const GradientPlaces& places, bool add);

  const PackedBatch& batch() const { return batch_; }
  /// Of the buffers that stand: rows, bytes and how often they grew.
  int64_t rows() const { return activations_.rows(); }
  int64_t bytes() const { return activations_.bytes() + backward_.bytes() + head_products_.bytes() + rotary_.bytes(); }
  int64_t growths() const { return activations_.growths() + backward_.growths(); }

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
  void release() override;

 private:
  using Layer = typename Activations<T>::Layer;
  const Layer& layer(int64_t i) const { return activations_.layers[static_cast<size_t>(i)]; }
  /// Zeros where there is none.
  const float* vector(int64_t offset) const {
    return offset < 0 ? zeros_.const_data_ptr<float>() : half_ ? half_->fp32(offset) : weights_.at(offset);
  }
  /// Null where it is frozen.
  float* gradient_of(int64_t offset) const {
    const int64_t place = places_->at(offset);
    return place == GradientPlaces::kFrozen ? nullptr : gradients_ + place;
  }
  /// Of a vector: kernels write it beside what they are called for, that of a frozen one where nobody reads it.
  float* vector_gradient(int64_t offset) const {
    float* const found = gradient_of(offset);
    return found ? found : unread_.mutable_data_ptr<float>();
  }
  void weight_gradient(const T* dy, const T* x, const LinearAt& at, bool add) {
    if (float* to = gradient_of(at.weight))
      matrices_->at(at).weight_gradient(dy, x, to, batch_.rows().padded, add, backward_.products);
  }
  /// Whether gradients of a layer's parameters are added to: others of the same parameters were before.
  bool adds(int64_t i) const { return add_ || (spec_.architecture->shares_layers && i + 1 < spec_.layers); }
  bool bag() const { return spec_.architecture->is_bag; }
  float word_scale() const {
    return spec_.architecture->scales_words ? std::sqrt(static_cast<float>(spec_.hidden_size)) : 1.0f;
  }
  /// Lays the bias by distance out for the rows that are packed.
  void lay_out_relative();
  kernels::RelativeBias relative() const;
  /// Adds what texts have of its gradient.
  void add_relative_gradient(float* to) const;
  /// Numbers of the longest vector.
  int64_t widest() const;
  /// Adds the bias to query, key and value, and turns the first two; or their gradient back.
  void rotate(const RotaryTable& table, const float* bias, bool back, T* qkv) const;
  kernels::HeadNorms head_norms(int64_t i) const;
  /// What attention multiplies, of what the product gave.
  const T* ready_heads(int64_t i);
  /// What is added to the weights of norms.
  float norm_shift() const { return spec_.architecture->norms_add_one ? 1.0f : 0.0f; }
  /// What the attention of a layer read, as T.
  const T* attention_input(int64_t i) const {
    if (i > 0) return layer(i - 1).y2_t;
    return normed_before(i, Branch::kAttention) ? activations_.before0_t : activations_.y0_t;
  }
  /// Whether a part reads what a norm made of the stream.
  bool normed_before(int64_t i, Branch part) const {
    return spec_.architecture->norms_before() &&
           (part == Branch::kFeedForward || table_.layers[static_cast<size_t>(i)].attention_norm.exists());
  }
  /// What norm_before reads, with its stats, and writes.
  struct Before {
    const float* x;
    float* stats;
    T* h;
  };
  Before before(int64_t i, Branch part) const;
  LinearScratch scratch() { return {activations_.products, activations_.quantised, activations_.scales}; }

  const EncoderSpec spec_;
  const ParameterTable& table_;
  const Use use_;
  PackedBatch batch_;
  Activations<T> activations_;
  BackwardBuffers<T> backward_;
  ProductScratch head_products_;
  std::vector<at::Tensor> maxima_;  // of each pool the row of each maximum [texts × hidden]
  at::Tensor drelative_;            // [texts × heads × kRelativeBuckets]
  at::Tensor dbag_;                 // of a bag [texts × hidden]

  FlatView<const float> weights_;
  const HalfWeights* half_ = nullptr;  // in its place
  const bf16* half_words_ = nullptr;   // in place of `weights_.words`
  const Matrices<T>* matrices_ = nullptr;
  float* gradients_ = nullptr;
  const GradientPlaces* places_ = nullptr;
  at::Tensor unread_;  // of vectors that are frozen, or not there
  at::Tensor zeros_;   // in place of vectors that are not there
  RotaryTables rotary_;
  bool add_ = false;
  int64_t pad_row_ = -1;  // of the word table

  const float* x_ = nullptr;  // the stream
  const T* x_t_ = nullptr;    // what the next part reads: the stream as T, or what a norm made of it
};

extern template class CpuBackend<float>;
extern template class CpuBackend<bf16>;

}  // namespace vectune::cpu
