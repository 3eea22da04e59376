#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/parameters.h"
#include "model/spec.h"
#include "nn/dropout.h"
#include "nn/texts.h"

namespace vectune {

/// Which gradients are wanted.
struct Wanted {
  bool words = true, positions = true, types = true, relative_bias = true, embedding_norm = true;
  bool embedding_projection = true;
  std::vector<bool> layers;  // any parameter of the layer
  /// Layers below this one, and the embeddings if it is above 0, need no gradient at all.
  int64_t lowest_layer = 0;
  bool embeddings() const { return words || positions || types || embedding_norm || embedding_projection; }
};

/// The seam between what a model computes (nn/encoder.h, nn/head.h) and how: the operations of an encoder over packed
/// rows, each as coarse as a place can fuse it, with its backward. cpu/ has them over the engine's own kernels, torch/
/// over LibTorch's tensors.
///
/// A backend holds the weights in whatever form it multiplies by, the place of the gradients, and the pass that is on:
/// its rows, the residual stream `x` [rows × hidden] and, where the rows were packed to keep them, the activations of
/// each layer. An operation names its parameters by their place in the ParameterTable, and reads and writes the stream;
/// backward operations come in the reverse order, and turn the stream's gradient `dx` in place. Engine thread.
///
/// A layer's part (attention, feed-forward) whose norm stands before it reads h = norm(x) in place of x, and its
/// gradient goes to dh, from there through the norm to dx.
///
/// Layers may have the same parameters (Architecture::shares_layers): the last one's backward, which is the first to
/// come, writes their gradients, and the others' add to them.
class Backend {
 public:
  virtual ~Backend() = default;

  /// The rows of the operations that follow. With `keep` a backward pass may follow the forward one.
  virtual void pack(const Texts& texts, bool keep) = 0;

  /// x = dropout(norm(word + position + type)), of what there is of these; in an architecture that has it so, the word
  /// times the root of its width.
  virtual void embed(const NormAt& norm, const Dropout& dropout) = 0;
  virtual void embed_backward(const NormAt& norm, const Dropout& dropout, const Wanted& wanted) = 0;
  /// Product of what `embed` gave, where embeddings are of a width of their own: x = x·Wᵀ + b.
  virtual void project(const LinearAt& projection) = 0;
  virtual void project_backward(const LinearAt& projection, bool weights) = 0;

  /// Product and attention: branch = softmax(q·kᵀ/√d + bias)·v of each head within each text, q, k, v = x·Wᵀ + b; the
  /// bias is that of the distance, in an architecture that has one. Where the heads of queries and keys have norms, q
  /// and k go through these, and where positions are rotary they are turned then; a query sees the keys within the
  /// layer's reach (EncoderSpec::attention). Where there are fewer heads of keys and values, neighbouring heads of
  /// queries share one.
  virtual void attention(int64_t layer, const LinearAt& qkv, const Dropout& dropout) = 0;
  /// `weights`: whether the product's gradients are wanted; `input`: whether dx is. That of the bias is added to.
  virtual void attention_backward(int64_t layer, const LinearAt& qkv, const Dropout& dropout, bool weights,
                                  bool input) = 0;

  /// Product and activation: branch = f(x·Wᵀ + b); or with a gate dropout(f(u)·v), u and v being the halves.
  virtual void feed_forward(int64_t layer, const LinearAt& up, const Dropout& dropout) = 0;
  virtual void feed_forward_backward(int64_t layer, const LinearAt& up, const Dropout& dropout, bool weights) = 0;

  /// A layer's parts; what the branch of a residual_norm comes from.
  enum class Branch { kAttention, kFeedForward };

  /// h = norm(x), which the part reads.
  virtual void norm_before(int64_t layer, Branch part, const NormAt& norm) = 0;
  virtual void norm_before_backward(int64_t layer, Branch part, const NormAt& norm) = 0;
  /// Product and residual: x = x + dropout(branch·Wᵀ + b).
  virtual void residual(int64_t layer, Branch branch, const LinearAt& out, const Dropout& dropout) = 0;
  virtual void residual_backward(int64_t layer, Branch branch, const LinearAt& out, const Dropout& dropout,
                                 bool weights) = 0;
  /// Product, norm and residual: x = x + norm(branch·Wᵀ).
  virtual void normed_residual(int64_t layer, Branch branch, const LinearAt& out, const NormAt& norm) = 0;
  virtual void normed_residual_backward(int64_t layer, Branch branch, const LinearAt& out, const NormAt& norm,
                                        bool weights) = 0;
  /// x = norm(x), after all layers.
  virtual void final_norm(const NormAt& norm) = 0;
  virtual void final_norm_backward(const NormAt& norm) = 0;

  /// Product, residual and norm: x = norm(x + dropout(branch·Wᵀ + b)).
  virtual void residual_norm(int64_t layer, Branch branch, const LinearAt& out, const NormAt& norm,
                             const Dropout& dropout) = 0;
  virtual void residual_norm_backward(int64_t layer, Branch branch, const LinearAt& out, const NormAt& norm,
                                      const Dropout& dropout, bool weights) = 0;

  /// The stream's rows of each text as one, for each mode, side by side: fp32 [texts × modes·hidden]. `number` tells
  /// the pools of one pass apart: 0 is that of the last hidden states, and ends the pass.
  virtual at::Tensor pool(const std::vector<PoolingMode>& modes, size_t number) = 0;
  /// From the gradient of what `pool` gave: 0 begins a backward pass with its dx, any other adds to dx.
  virtual void pool_backward(const std::vector<PoolingMode>& modes, const at::Tensor& gradient, size_t number) = 0;

  /// A Dense of the head, in fp32: x·Wᵀ + b, where it has a bias.
  virtual at::Tensor dense(const LinearAt& at, const at::Tensor& x) = 0;
  /// Its gradients, and that of x. `again`: it was called in this backward pass before.
  virtual at::Tensor dense_backward(const LinearAt& at, const at::Tensor& gradient, const at::Tensor& x,
                                    bool again) = 0;

  /// What a LayerNorm of the head multiplies by and adds, fp32 [width]; or the gradients of these.
  struct NormVectors {
    at::Tensor weight, bias;
  };
  /// Good until weights are given again; not to be written to.
  virtual NormVectors module_norm(const NormAt& at) = 0;
  /// Takes the gradients of what is trained. `again`: it was called in this backward pass before.
  virtual void module_norm_gradients(const NormAt& at, const NormVectors& gradients, bool again) = 0;

  /// The stream as it stands, fp32 [tokens × hidden] on the processor: good until the next operation.
  virtual at::Tensor hidden_states() const = 0;
  /// Gives all buffers of passes back.
  virtual void release() = 0;
};

}  // namespace vectune
