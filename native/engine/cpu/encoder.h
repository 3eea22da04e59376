#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "cpu/gemm.h"
#include "cpu/kernels.h"
#include "cpu/packed_matrices.h"
#include "cpu/quantised.h"
#include "model/parameters.h"
#include "model/spec.h"
#include "runtime/arena.h"
#include "runtime/cancel.h"

namespace vectune {

/// A flat fp32 buffer in the ParameterTable's layout; the word embeddings may stand elsewhere (compact).
template <typename Float>
struct FlatView {
  Float* words = nullptr;
  Float* rest = nullptr;  // what follows the word embeddings
  int64_t rest_begin = 0;

  Float* at(int64_t offset) const { return rest + (offset - rest_begin); }
};

/// What a forward pass reads: fp32 for tables, norms and biases, T for the matrices that GEMMs read.
template <typename T>
struct EncoderWeights {
  FlatView<const float> fp32;
  const T* matrices = nullptr;
  int64_t matrices_begin = 0;
  const PackedMatrices<T>* packed = nullptr;  // read in place of `matrices` where it is given (inference)
  const QuantisedMatrices* int8 = nullptr;    // the same (T float)

  const T* matrix(const LinearAt& linear) const { return matrices + (linear.weight - matrices_begin); }
};

/// Dropout of one pass: probabilities and what seeds them; all zero in evaluation.
struct DropoutPlan {
  float hidden = 0.0f, attention = 0.0f;
  float attention_out = 0.0f;  // as `hidden`, but 0 in DistilBERT, which does not drop attention's output
  uint32_t seed = 0, epoch = 0;

  enum Site { kEmbedding, kAttention, kAttentionOut, kOutput };
  kernels::Dropout at(int64_t layer, Site site) const;
};

/// What forward leaves for backward (or, in inference, the few buffers all layers share).
template <typename T>
class Activations {
 public:
  struct Layer {
    T* qkv;            // [rows × 3·hidden] without bias
    float* logsumexp;  // [heads × rows]
    T* context;        // attention's output
    float *sum1, *stats1, *y1;
    T* y1_t;
    T *up, *act;  // before bias and activation; after
    float *sum2, *stats2, *y2;
    T* y2_t;
  };

  Activations(const EncoderSpec& spec, bool training, bool quantised = false)
      : spec_(spec), training_(training), quantised_(quantised) {}
  /// Makes room for so many rows with texts of up to `longest` tokens; keeps what is large enough.
  void reserve(int64_t padded, int64_t longest);
  void release();

  int64_t rows() const { return rows_; }
  int64_t bytes() const { return arena_.bytes() + products.bytes(); }
  int64_t growths() const { return growths_; }
  bool training() const { return training_; }

  float *sum0 = nullptr, *stats0 = nullptr, *y0 = nullptr;
  T* y0_t = nullptr;
  T* branch = nullptr;             // a GEMM's output on its way to the norm
  std::byte* quantised = nullptr;  // a product's left operand in int8 inference, and its rows' scales and zeros
  float* scales = nullptr;
  std::vector<Layer> layers;
  float* scratch = nullptr;  // attention, per thread
  int64_t scratch_stride = 0;
  ProductScratch products;

 private:
  EncoderSpec spec_;
  bool training_, quantised_;
  Arena arena_;
  int64_t rows_ = 0, longest_ = 0, growths_ = 0;
  int threads_ = 0;
};

/// Buffers of the backward pass, shared by all layers.
template <typename T>
class BackwardBuffers {
 public:
  explicit BackwardBuffers(const EncoderSpec& spec) : spec_(spec) {}
  void reserve(int64_t padded, int64_t longest);
  void release();
  int64_t bytes() const { return arena_.bytes() + products.bytes(); }
  int64_t growths() const { return growths_; }

  float* dy = nullptr;  // gradient of the residual stream [rows × hidden]
  T *dbranch = nullptr, *dhidden = nullptr, *dqkv = nullptr, *dact = nullptr;
  float* partials = nullptr;
  float* scratch = nullptr;
  int64_t scratch_stride = 0;
  ProductScratch products;

 private:
  EncoderSpec spec_;
  Arena arena_;
  int64_t rows_ = 0, longest_ = 0, growths_ = 0;
  int threads_ = 0;
};

/// Which gradients are wanted.
struct Wanted {
  bool words = true, positions = true, types = true, embedding_norm = true;
  std::vector<bool> layers;  // any parameter of the layer
  /// Layers below this one, and the embeddings if it is above 0, need no gradient at all.
  int64_t lowest_layer = 0;
  bool embeddings() const { return words || positions || types || embedding_norm; }
};

/// The encoder over packed rows: post-norm transformer (Devlin et al. 2018), written out by hand.
template <typename T>
class Encoder {
 public:
  Encoder(const EncoderSpec& spec, const ParameterTable& table) : spec_(spec), table_(table) {}

  /// Called with the embedding layer's output (0) and each layer's (1 …), [rows × hidden].
  using Observer = std::function<void(int64_t layer, const float* y)>;

  /// Returns the last hidden states, fp32 [padded × hidden].
  const float* forward(const kernels::Rows& rows, const EncoderWeights<T>& weights, Activations<T>& activations,
                       const DropoutPlan& dropout, const Cancel& cancel, const Observer& observe = nullptr) const;

  /// Expects the gradient of the last hidden states in `buffers.dy`; adds to (or, unless `accumulate`,
  /// overwrites) the gradients, embedding tables excepted, which are always added to.
  void backward(const kernels::Rows& rows, const EncoderWeights<T>& weights, const Activations<T>& activations,
                const DropoutPlan& dropout, BackwardBuffers<T>& buffers, const FlatView<float>& gradients,
                const Wanted& wanted, bool accumulate, const Cancel& cancel) const;

 private:
  /// y = x·Wᵀ
  void product(const T* x, const LinearAt& linear, T* y, int64_t rows, const EncoderWeights<T>& weights,
               Activations<T>& activations) const;

  EncoderSpec spec_;
  const ParameterTable& table_;
};

}  // namespace vectune
