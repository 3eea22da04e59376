#pragma once
#include <cstdint>
#include <vector>

#include "cpu/gemm.h"
#include "model/spec.h"
#include "runtime/arena.h"

namespace vectune {

/// What forward leaves for backward (or, in inference, the few buffers all layers share). Where norms stand before a
/// layer's parts, the stream is y0, then sum1 and sum2 of each layer; y1_t is what the feed-forward part reads, y2_t
/// what the next layer's attention does, and y1 and y2 are not there.
template <typename T>
class Activations {
 public:
  struct Layer {
    T* qkv;            // [rows × qkv width] without bias
    float* logsumexp;  // [heads × rows]
    T* context;        // attention's output
    float *sum1, *stats1, *y1;
    T* y1_t;
    T *up, *act;  // before bias and activation (both halves of a gate); after
    float *sum2, *stats2, *y2;
    T* y2_t;
    T *branch1 = nullptr, *branch2 = nullptr;  // what the parts give, where a norm stands behind them
    float *branch1_stats = nullptr, *branch2_stats = nullptr;
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
  /// What the embeddings are, where a matrix leads from there to y0; else y0 itself.
  float* embedded = nullptr;
  T* embedded_t = nullptr;
  T* before0_t =
      nullptr;  // what the first layer's attention reads, where it has a norm before it, and that norm's stats
  float* before0_stats = nullptr;
  T* normed_qkv = nullptr;         // of one layer, where its heads have norms; in inference the layers' own
  float* last = nullptr;           // the last norm's output, where it stands after all layers
  T* branch = nullptr;             // a GEMM's output on its way to the norm
  std::byte* quantised = nullptr;  // a product's left operand in int8 inference, and its rows' scales and zeros
  float* scales = nullptr;
  std::vector<Layer> layers;
  float* scratch = nullptr;  // attention, per thread
  int64_t scratch_stride = 0;
  float* relative = nullptr;  // [heads × relative_stride], where the architecture has a bias by distance
  int64_t relative_stride = 0;
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

  float* dy = nullptr;  // gradient of the residual stream [rows × hidden], at last of the embeddings
  T *dbranch = nullptr, *dqkv = nullptr, *dact = nullptr;
  T* dhidden = nullptr;  // of attention's output; then of what a part with a norm before it reads
  T* dup = nullptr;      // of both halves of a gate
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

extern template class Activations<float>;
extern template class Activations<bf16>;
extern template class BackwardBuffers<float>;
extern template class BackwardBuffers<bf16>;

}  // namespace vectune
