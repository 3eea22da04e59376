#include "cpu/encoder.h"

#include <algorithm>
#include <cmath>

#include "cpu/gemm.h"
#include "runtime/split_mix.h"

namespace vectune {

namespace {

/// fp32 passes need no copy: their y is already T.
template <typename T>
T* copy_of(T* y_t) {
  if constexpr (std::is_same_v<T, float>) {
    (void)y_t;
    return nullptr;
  } else {
    return y_t;
  }
}

}  // namespace

kernels::Dropout DropoutPlan::at(int64_t layer, Site site) const {
  const float p = site == kAttention ? attention : site == kAttentionOut ? attention_out : hidden;
  if (p <= 0.0f) return {};
  const uint64_t run = split_mix(static_cast<uint64_t>(seed) << 32 | epoch);
  return {split_mix(run + static_cast<uint64_t>(layer) * 4 + static_cast<uint64_t>(site)),
          static_cast<uint32_t>(std::min(4294967295.0, std::round(static_cast<double>(p) * 4294967296.0))),
          1.0f / (1.0f - p)};
}

template <typename T>
void Encoder<T>::product(const T* x, const LinearAt& linear, T* y, int64_t rows, const EncoderWeights<T>& w,
                         Activations<T>& a) const {
  if constexpr (std::is_same_v<T, float>) {
    if (w.int8) return quantised_product(x, w.int8->at(linear), y, rows, linear.in, linear.out, a.quantised, a.scales);
  }
  if (w.packed) return Gemm<T>::forward_packed(x, w.packed->at(linear), y, rows, linear.in, linear.out);
  Gemm<T>::forward(x, w.matrix(linear), y, rows, linear.in, linear.out, a.products);
}

template <typename T>
const float* Encoder<T>::forward(const kernels::Rows& rows, const EncoderWeights<T>& w, Activations<T>& a,
                                 const DropoutPlan& dropout, const Cancel& cancel, const Observer& observe) const {
  const auto& k = kernels::of<T>(kernels::table());
  const int64_t hidden = spec_.hidden_size, padded = rows.padded;
  const auto vector = [&](int64_t offset) { return w.fp32.at(offset); };

  cancel.check();
  k.embedding_forward({rows, hidden, w.fp32.words, vector(table_.position_embeddings),
                       table_.type_embeddings < 0 ? nullptr : vector(table_.type_embeddings), spec_.position_offset,
                       vector(table_.embedding_norm.weight), vector(table_.embedding_norm.bias), spec_.layer_norm_eps,
                       dropout.at(0, DropoutPlan::kEmbedding), a.sum0, a.stats0, a.y0, copy_of(a.y0_t)});
  if (observe) observe(0, a.y0);

  const float* x = a.y0;
  const T* x_t = a.y0_t;
  for (int64_t i = 0; i < spec_.layers; ++i) {
    cancel.check();
    const LayerAt& at = table_.layers[static_cast<size_t>(i)];
    const auto& l = a.layers[static_cast<size_t>(i)];
    product(x_t, at.qkv, l.qkv, padded, w, a);
    k.attention_forward({rows, spec_.heads, spec_.head_size(), l.qkv, vector(at.qkv.bias),
                         dropout.at(i, DropoutPlan::kAttention), l.context, l.logsumexp, a.scratch, a.scratch_stride});
    product(l.context, at.attention_out, a.branch, padded, w, a);
    k.residual_norm_forward({rows, hidden, a.branch, vector(at.attention_out.bias), x, vector(at.attention_norm.weight),
                             vector(at.attention_norm.bias), spec_.layer_norm_eps,
                             dropout.at(i, DropoutPlan::kAttentionOut), l.sum1, l.stats1, l.y1, copy_of(l.y1_t)});
    product(l.y1_t, at.up, l.up, padded, w, a);
    k.bias_activation_forward({rows, at.up.out, spec_.hidden_activation, l.up, vector(at.up.bias), l.act});
    product(l.act, at.down, a.branch, padded, w, a);
    k.residual_norm_forward({rows, hidden, a.branch, vector(at.down.bias), l.y1, vector(at.output_norm.weight),
                             vector(at.output_norm.bias), spec_.layer_norm_eps, dropout.at(i, DropoutPlan::kOutput),
                             l.sum2, l.stats2, l.y2, copy_of(l.y2_t)});
    x = l.y2;
    x_t = l.y2_t;
    if (observe) observe(i + 1, x);
  }
  return x;
}

template <typename T>
void Encoder<T>::backward(const kernels::Rows& rows, const EncoderWeights<T>& w, const Activations<T>& a,
                          const DropoutPlan& dropout, BackwardBuffers<T>& b, const FlatView<float>& g,
                          const Wanted& wanted, bool accumulate, const Cancel& cancel) const {
  const auto& table = kernels::table();
  const auto& k = kernels::of<T>(table);
  const int64_t hidden = spec_.hidden_size, padded = rows.padded;
  const auto vector = [&](int64_t offset) { return w.fp32.at(offset); };

  /// dW of y = x·Wᵀ
  const auto weight_gradient = [&](const T* dy, const T* x, const LinearAt& linear) {
    Gemm<T>::weight_gradient(dy, x, g.at(linear.weight), padded, linear.in, linear.out, accumulate, b.products);
  };
  const auto input_gradient = [&](const T* dy, const LinearAt& linear, T* dx) {
    Gemm<T>::input_gradient(dy, w.matrix(linear), dx, padded, linear.in, linear.out, b.products);
  };
  const auto add_input_gradient = [&](const T* dy, const LinearAt& linear) {
    Gemm<T>::add_input_gradient(dy, w.matrix(linear), b.dy, padded, linear.in, linear.out, b.products);
  };

  for (int64_t i = spec_.layers - 1; i >= wanted.lowest_layer; --i) {
    cancel.check();
    const LayerAt& at = table_.layers[static_cast<size_t>(i)];
    const auto& l = a.layers[static_cast<size_t>(i)];
    const T* x_t = i > 0 ? a.layers[static_cast<size_t>(i) - 1].y2_t : a.y0_t;
    const bool weights = wanted.layers[static_cast<size_t>(i)];

    // y2 = LN(y1 + drop(act·Wdᵀ + bd))
    k.residual_norm_backward({rows, hidden, l.sum2, l.stats2, vector(at.output_norm.weight),
                              dropout.at(i, DropoutPlan::kOutput), b.dy, b.dbranch, g.at(at.down.bias),
                              g.at(at.output_norm.weight), g.at(at.output_norm.bias), accumulate, b.partials});
    if (weights) weight_gradient(b.dbranch, l.act, at.down);
    input_gradient(b.dbranch, at.down, b.dact);
    // act = gelu(y1·Wuᵀ + bu)
    k.bias_activation_backward({rows, at.up.out, spec_.hidden_activation, l.up, vector(at.up.bias), b.dact,
                                g.at(at.up.bias), accumulate, b.partials});
    if (weights) weight_gradient(b.dact, l.y1_t, at.up);
    add_input_gradient(b.dact, at.up);
    // y1 = LN(x + drop(context·Woᵀ + bo))
    k.residual_norm_backward({rows, hidden, l.sum1, l.stats1, vector(at.attention_norm.weight),
                              dropout.at(i, DropoutPlan::kAttentionOut), b.dy, b.dbranch, g.at(at.attention_out.bias),
                              g.at(at.attention_norm.weight), g.at(at.attention_norm.bias), accumulate, b.partials});
    if (weights) weight_gradient(b.dbranch, l.context, at.attention_out);
    input_gradient(b.dbranch, at.attention_out, b.dhidden);
    // context = attention(x·Wqkvᵀ + bqkv)
    k.attention_backward({rows, spec_.heads, spec_.head_size(), l.qkv, vector(at.qkv.bias),
                          dropout.at(i, DropoutPlan::kAttention), l.logsumexp, b.dhidden, b.dqkv, b.scratch,
                          b.scratch_stride});
    k.column_sum({rows.rows, at.qkv.out, b.dqkv, g.at(at.qkv.bias), accumulate, b.partials});
    if (weights) weight_gradient(b.dqkv, x_t, at.qkv);
    if (i > wanted.lowest_layer || wanted.embeddings()) add_input_gradient(b.dqkv, at.qkv);
  }

  if (wanted.lowest_layer > 0 || !wanted.embeddings()) return;
  cancel.check();
  // y0 = drop(LN(word + position + type))
  table.common.embedding_backward({rows, hidden, a.sum0, a.stats0, vector(table_.embedding_norm.weight),
                                   dropout.at(0, DropoutPlan::kEmbedding), b.dy, g.at(table_.embedding_norm.weight),
                                   g.at(table_.embedding_norm.bias), accumulate, b.partials});
  table.common.embedding_scatter(
      {rows, hidden, spec_.position_offset, b.dy, wanted.words ? g.words : nullptr,
       wanted.positions ? g.at(table_.position_embeddings) : nullptr,
       wanted.types && table_.type_embeddings >= 0 ? g.at(table_.type_embeddings) : nullptr});
}

template class Encoder<float>;
template class Encoder<bf16>;

}  // namespace vectune
