#include "cpu/cpu_backend.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>

#include "cpu/kernels.h"
#include "cpu/pooling.h"
#include "model/relative_buckets.h"
#include "runtime/thread_team.h"

namespace vectune::cpu {

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

template <typename T>
const kernels::Kernels<T>& kernels_in() {
  return kernels::of<T>(kernels::table());
}

at::Tensor floats(int64_t rows, int64_t width) {
  return at::empty({rows, width}, at::TensorOptions().dtype(at::kFloat));
}

}  // namespace

template <typename T>
CpuBackend<T>::CpuBackend(const ModelSpec& spec, const ParameterTable& table, Use use)
    : spec_(spec.encoder),
      table_(table),
      use_(use),
      activations_(spec.encoder, use == Use::kTraining, use == Use::kQuantisedInference),
      backward_(spec.encoder),
      rotary_(spec.encoder) {
  const Architecture::Biases& has = spec_.architecture->biases;
  const bool all = has.qkv && has.attention_out && has.up && has.down && has.norms;
  // What is turned has its bias already.
  if (!all || !rotary_.all().empty()) zeros_ = at::zeros({widest()}, at::TensorOptions().dtype(at::kFloat));
}

template <typename T>
int64_t CpuBackend<T>::widest() const {
  int64_t most = std::max({3 * spec_.hidden_size, spec_.qkv_width(), spec_.embedding_width()});
  for (const LinearAt* linear : table_.linears()) most = std::max(most, linear->out);
  return most;
}

template <typename T>
void CpuBackend<T>::set_weights(const FlatView<const float>& fp32, const Matrices<T>& matrices) {
  weights_ = fp32;
  half_ = nullptr;
  half_words_ = nullptr;
  matrices_ = &matrices;
}

template <typename T>
void CpuBackend<T>::set_weights(const HalfWeights& half, const Matrices<T>& matrices) {
  weights_ = {};
  half_ = &half;
  const bool words = half.is_half(table_.word_embeddings);
  half_words_ = words ? static_cast<const bf16*>(half.half(table_.word_embeddings)) : nullptr;
  if (!words) weights_.words = half.fp32(table_.word_embeddings);
  matrices_ = &matrices;
}

template <typename T>
void CpuBackend<T>::set_gradients(float* gradients, const GradientPlaces& places, bool add) {
  if (!unread_.defined()) unread_ = at::empty({widest()}, at::TensorOptions().dtype(at::kFloat));
  gradients_ = gradients;
  places_ = &places;
  add_ = add;
}

template <typename T>
void CpuBackend<T>::pack(const Texts& texts, bool) {
  // In inference exact for a few texts, else a multiple that suits the products.
  const bool exact = use_ != Use::kTraining && texts.size().tokens <= 64;
  batch_.pack(texts, spec_, exact ? 1 : Gemm<T>::row_rounding());
  pad_row_ = texts.pad_row(spec_);
  drelative_.reset();
  if (bag()) return;
  activations_.reserve(batch_.rows().padded, batch_.longest());
  rotary_.reserve(batch_.longest());
}

template <typename T>
void CpuBackend<T>::lay_out_relative() {
  const float* const table = vector(table_.relative_bias);
  const int64_t longest = batch_.longest(), stride = activations_.relative_stride;
  for (int64_t head = 0; head < spec_.heads; ++head) {
    float* const to = activations_.relative + head * stride;
    for (int64_t d = 1 - longest; d < longest; ++d)
      to[d + longest - 1] = table[relative_bucket(d) * spec_.heads + head];
    std::fill(to + 2 * longest - 1, to + stride, 0.0f);
  }
}

template <typename T>
kernels::RelativeBias CpuBackend<T>::relative() const {
  if (table_.relative_bias < 0) return {};
  return {activations_.relative, batch_.longest() - 1, activations_.relative_stride};
}

template <typename T>
void CpuBackend<T>::add_relative_gradient(float* to) const {
  const float* from = drelative_.const_data_ptr<float>();
  std::vector<double> sums(static_cast<size_t>(spec_.heads * kRelativeBuckets), 0.0);
  for (int64_t text = 0; text < batch_.rows().texts; ++text)
    for (double& sum : sums) sum += static_cast<double>(*from++);
  for (int64_t head = 0; head < spec_.heads; ++head)
    for (int64_t bucket = 0; bucket < kRelativeBuckets; ++bucket)
      to[bucket * spec_.heads + head] +=
          static_cast<float>(sums[static_cast<size_t>(head * kRelativeBuckets + bucket)]);
}

template <typename T>
void CpuBackend<T>::embed(const NormAt& norm, const Dropout& dropout) {
  if (bag()) return;  // the pooling reads the table
  auto& a = activations_;
  if (table_.relative_bias >= 0) lay_out_relative();
  if (!norm.exists()) {
    kernels::table().common.embedding_lookup(
        {batch_.rows(), spec_.embedding_width(), weights_.words, word_scale(), a.y0, half_words_});
    x_ = a.y0;
    return;
  }
  kernels_in<T>().embedding_forward({batch_.rows(), spec_.embedding_width(), weights_.words,
                                     table_.position_embeddings < 0 ? nullptr : vector(table_.position_embeddings),
                                     table_.type_embeddings < 0 ? nullptr : vector(table_.type_embeddings),
                                     vector(norm.weight), vector(norm.bias), spec_.layer_norm_eps, dropout, a.sum0,
                                     a.stats0, a.embedded, copy_of(a.embedded_t), half_words_});
  x_ = a.embedded;
  x_t_ = a.embedded_t;
}

template <typename T>
void CpuBackend<T>::project(const LinearAt& projection) {
  auto& a = activations_;
  const int64_t rows = batch_.rows().rows, padded = batch_.rows().padded, hidden = projection.out;
  matrices_->at(projection).forward(x_t_, a.branch, padded, scratch());
  const float* const bias = vector(projection.bias);
  for_parts(padded, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const T* const from = a.branch + row * hidden;
      float* const to = a.y0 + row * hidden;
      for (int64_t c = 0; c < hidden; ++c) to[c] = row < rows ? to_float(from[c]) + bias[c] : 0.0f;
      if constexpr (!std::is_same_v<T, float>)
        for (int64_t c = 0; c < hidden; ++c) a.y0_t[row * hidden + c] = to_bf16(to[c]);
    }
  });
  x_ = a.y0;
  x_t_ = a.y0_t;
}

template <typename T>
void CpuBackend<T>::project_backward(const LinearAt& projection, bool weights) {
  auto& b = backward_;
  const int64_t padded = batch_.rows().padded;
  kernels_in<T>().residual_backward(
      {batch_.rows(), projection.out, {}, b.dy, b.dbranch, vector_gradient(projection.bias), add_, b.partials});
  if (weights) weight_gradient(b.dbranch, activations_.embedded_t, projection, add_);
  std::fill_n(b.dy, padded * projection.in, 0.0f);
  matrices_->at(projection).add_input_gradient(b.dbranch, b.dy, padded, b.products);
}

template <typename T>
void CpuBackend<T>::embed_backward(const NormAt& norm, const Dropout& dropout, const Wanted& wanted) {
  const auto& common = kernels::table().common;
  if (bag()) {
    if (float* const words = gradient_of(table_.word_embeddings))
      common.bag_backward({batch_.rows(), spec_.embedding_width(), dbag_.template const_data_ptr<float>(), words});
    dbag_.reset();
    return;
  }
  const auto& a = activations_;
  auto& b = backward_;
  if (norm.exists()) {
    common.embedding_backward({batch_.rows(), spec_.embedding_width(), a.sum0, a.stats0, vector(norm.weight), dropout,
                               b.dy, vector_gradient(norm.weight), vector_gradient(norm.bias), add_, b.partials});
  } else if (const float scale = word_scale(); scale != 1.0f) {
    for_parts(batch_.rows().rows * spec_.embedding_width(), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) b.dy[i] *= scale;
    });
  }
  float* const words = wanted.words ? gradient_of(table_.word_embeddings) : nullptr;
  float* const positions =
      wanted.positions && table_.position_embeddings >= 0 ? gradient_of(table_.position_embeddings) : nullptr;
  common.embedding_scatter(
      {batch_.rows(), spec_.embedding_width(), b.dy, words, positions,
       wanted.types && table_.type_embeddings >= 0 ? gradient_of(table_.type_embeddings) : nullptr});
  const auto clear = [&](float* table, int64_t row) {
    if (table && row >= 0) std::fill_n(table + row * spec_.embedding_width(), spec_.embedding_width(), 0.0f);
  };
  clear(words, pad_row_);
  clear(positions, pad_position(spec_));
}

template <typename T>
void CpuBackend<T>::attention(int64_t i, const LinearAt& qkv, const Dropout& dropout) {
  auto& a = activations_;
  const Layer& l = layer(i);
  matrices_->at(qkv).forward(x_t_, l.qkv, batch_.rows().padded, scratch());
  const RotaryTable* const table = rotary_.of(i);
  const bool normed = spec_.architecture->has_head_norms();
  if (table && !normed) rotate(*table, qkv.bias < 0 ? nullptr : vector(qkv.bias), false, l.qkv);
  kernels_in<T>().attention_forward({batch_.rows(), spec_.heads, spec_.head_size(), normed ? ready_heads(i) : l.qkv,
                                     vector(table ? -1 : qkv.bias), dropout, l.context, l.logsumexp, a.scratch,
                                     a.scratch_stride, relative(), spec_.attention_of(i).reach, spec_.key_heads()});
}

template <typename T>
kernels::HeadNorms CpuBackend<T>::head_norms(int64_t i) const {
  const LayerAt& at = table_.layers[static_cast<size_t>(i)];
  const RotaryTable& table = *rotary_.of(i);
  return {spec_.heads,
          spec_.key_heads(),
          spec_.head_size(),
          vector(at.query_norm.weight),
          vector(at.key_norm.weight),
          spec_.layer_norm_eps,
          norm_shift(),
          static_cast<float>(spec_.query_scale),
          table.cosines.const_data_ptr<float>(),
          table.sines.const_data_ptr<float>()};
}

template <typename T>
const T* CpuBackend<T>::ready_heads(int64_t i) {
  kernels_in<T>().head_norms_forward({batch_.rows(), head_norms(i), layer(i).qkv, activations_.normed_qkv});
  return activations_.normed_qkv;
}

template <typename T>
void CpuBackend<T>::rotate(const RotaryTable& table, const float* bias, bool back, T* qkv) const {
  kernels_in<T>().rotate({batch_.rows(), spec_.heads + spec_.key_heads(), spec_.head_size(), spec_.qkv_width(), bias,
                          table.cosines.const_data_ptr<float>(), table.sines.const_data_ptr<float>(), back, qkv});
}

template <typename T>
void CpuBackend<T>::attention_backward(int64_t i, const LinearAt& qkv, const Dropout& dropout, bool weights,
                                       bool input) {
  const auto& k = kernels_in<T>();
  auto& b = backward_;
  const Layer& l = layer(i);
  const int64_t padded = batch_.rows().padded;
  float* const drelative = table_.relative_bias < 0 ? nullptr : gradient_of(table_.relative_bias);
  if (drelative && !drelative_.defined())
    drelative_ =
        at::empty({batch_.rows().texts * spec_.heads * kRelativeBuckets}, at::TensorOptions().dtype(at::kFloat));
  const RotaryTable* const table = rotary_.of(i);
  const bool normed = spec_.architecture->has_head_norms();
  k.attention_backward({batch_.rows(), spec_.heads, spec_.head_size(), normed ? ready_heads(i) : l.qkv,
                        vector(table ? -1 : qkv.bias), dropout, l.logsumexp, b.dhidden, b.dqkv, b.scratch,
                        b.scratch_stride, relative(), drelative ? drelative_.mutable_data_ptr<float>() : nullptr,
                        spec_.attention_of(i).reach, spec_.key_heads()});
  if (normed) {
    const LayerAt& at = table_.layers[static_cast<size_t>(i)];
    k.head_norms_backward({batch_.rows(), head_norms(i), l.qkv, b.dqkv, vector_gradient(at.query_norm.weight),
                           vector_gradient(at.key_norm.weight), adds(i), b.partials});
  } else if (table) {
    rotate(*table, nullptr, true, b.dqkv);
  }
  if (drelative) add_relative_gradient(drelative);
  if (qkv.bias >= 0)
    k.column_sum({batch_.rows().rows, qkv.out, b.dqkv, vector_gradient(qkv.bias), adds(i), b.partials});
  const Linear<T>& w = matrices_->at(qkv);
  if (weights) weight_gradient(b.dqkv, attention_input(i), qkv, adds(i));
  if (!input) return;
  if (normed_before(i, Branch::kAttention)) w.input_gradient(b.dqkv, b.dhidden, padded, b.products);
  else w.add_input_gradient(b.dqkv, b.dy, padded, b.products);
}

template <typename T>
void CpuBackend<T>::feed_forward(int64_t i, const LinearAt& up, const Dropout& dropout) {
  const Layer& l = layer(i);
  matrices_->at(up).forward(x_t_, l.up, batch_.rows().padded, scratch());
  if (spec_.architecture->gated())
    return kernels_in<T>().gate_forward({batch_.rows(), up.out / 2, spec_.hidden_activation,
                                         spec_.architecture->gate == Architecture::Gate::kFirst, l.up, vector(up.bias),
                                         dropout, l.act});
  kernels_in<T>().bias_activation_forward(
      {batch_.rows(), up.out, spec_.hidden_activation, l.up, vector(up.bias), l.act});
}

template <typename T>
void CpuBackend<T>::feed_forward_backward(int64_t i, const LinearAt& up, const Dropout& dropout, bool weights) {
  auto& b = backward_;
  const Layer& l = layer(i);
  const int64_t padded = batch_.rows().padded;
  const bool gated = spec_.architecture->gated();
  if (gated) {
    kernels_in<T>().gate_backward({batch_.rows(), up.out / 2, spec_.hidden_activation,
                                   spec_.architecture->gate == Architecture::Gate::kFirst, l.up, vector(up.bias),
                                   dropout, b.dact, b.dup, vector_gradient(up.bias), adds(i), b.partials});
  } else {
    kernels_in<T>().bias_activation_backward({batch_.rows(), up.out, spec_.hidden_activation, l.up, vector(up.bias),
                                              b.dact, vector_gradient(up.bias), adds(i), b.partials});
  }
  const T* const dup = gated ? b.dup : b.dact;
  const Linear<T>& w = matrices_->at(up);
  if (weights) weight_gradient(dup, l.y1_t, up, adds(i));
  if (normed_before(i, Branch::kFeedForward)) w.input_gradient(dup, b.dhidden, padded, b.products);
  else w.add_input_gradient(dup, b.dy, padded, b.products);
}

template <typename T>
typename CpuBackend<T>::Before CpuBackend<T>::before(int64_t i, Branch part) const {
  const auto& a = activations_;
  if (part == Branch::kFeedForward) return {layer(i).sum1, layer(i).stats1, layer(i).y1_t};
  if (i > 0) return {layer(i - 1).sum2, layer(i - 1).stats2, layer(i - 1).y2_t};
  return {a.y0, a.before0_stats, a.before0_t};
}

template <typename T>
void CpuBackend<T>::norm_before(int64_t i, Branch part, const NormAt& norm) {
  const Before at = before(i, part);
  kernels_in<T>().norm_forward({batch_.rows(), spec_.hidden_size, spec_.architecture->norm_kind, x_,
                                vector(norm.weight), vector(norm.bias), spec_.layer_norm_eps, at.stats, nullptr, at.h,
                                norm_shift()});
  x_t_ = at.h;
}

template <typename T>
void CpuBackend<T>::norm_before_backward(int64_t i, Branch part, const NormAt& norm) {
  auto& b = backward_;
  const Before at = before(i, part);
  kernels_in<T>().norm_backward({batch_.rows(), spec_.hidden_size, spec_.architecture->norm_kind, at.x, at.stats,
                                 vector(norm.weight), b.dhidden, b.dy, true, vector_gradient(norm.weight),
                                 vector_gradient(norm.bias), adds(i), b.partials, norm_shift()});
}

template <typename T>
void CpuBackend<T>::residual(int64_t i, Branch branch, const LinearAt& out, const Dropout& dropout) {
  auto& a = activations_;
  const Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  float* const sum = attends ? l.sum1 : l.sum2;
  matrices_->at(out).forward(attends ? l.context : l.act, a.branch, batch_.rows().padded, scratch());
  kernels_in<T>().residual_forward({batch_.rows(), spec_.hidden_size, a.branch, vector(out.bias), x_, dropout, sum});
  x_ = sum;
}

template <typename T>
void CpuBackend<T>::residual_backward(int64_t i, Branch branch, const LinearAt& out, const Dropout& dropout,
                                      bool weights) {
  auto& b = backward_;
  const Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  kernels_in<T>().residual_backward(
      {batch_.rows(), spec_.hidden_size, dropout, b.dy, b.dbranch, vector_gradient(out.bias), adds(i), b.partials});
  if (weights) weight_gradient(b.dbranch, attends ? l.context : l.act, out, adds(i));
  matrices_->at(out).input_gradient(b.dbranch, attends ? b.dhidden : b.dact, batch_.rows().padded, b.products);
}

template <typename T>
void CpuBackend<T>::final_norm(const NormAt& norm) {
  auto& a = activations_;
  kernels_in<float>().norm_forward({batch_.rows(), spec_.hidden_size, spec_.architecture->norm_kind, x_,
                                    vector(norm.weight), vector(norm.bias), spec_.layer_norm_eps,
                                    a.layers.back().stats2, a.last, nullptr, norm_shift()});
  x_ = a.last;
}

template <typename T>
void CpuBackend<T>::final_norm_backward(const NormAt& norm) {
  auto& b = backward_;
  const Layer& l = activations_.layers.back();
  kernels_in<float>().norm_backward({batch_.rows(), spec_.hidden_size, spec_.architecture->norm_kind, l.sum2, l.stats2,
                                     vector(norm.weight), b.dy, b.dy, false, vector_gradient(norm.weight),
                                     vector_gradient(norm.bias), add_, b.partials, norm_shift()});
}

template <typename T>
void CpuBackend<T>::normed_residual(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm) {
  const Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  float* const sum = attends ? l.sum1 : l.sum2;
  T* const y = attends ? l.branch1 : l.branch2;
  matrices_->at(out).forward(attends ? l.context : l.act, y, batch_.rows().padded, scratch());
  kernels_in<T>().normed_residual_forward({batch_.rows(), spec_.hidden_size, y, vector(norm.weight), x_,
                                           spec_.layer_norm_eps, norm_shift(),
                                           attends ? l.branch1_stats : l.branch2_stats, sum});
  x_ = sum;
}

template <typename T>
void CpuBackend<T>::normed_residual_backward(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm,
                                             bool weights) {
  auto& b = backward_;
  const Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  kernels_in<T>().normed_residual_backward(
      {batch_.rows(), spec_.hidden_size, attends ? l.branch1 : l.branch2, attends ? l.branch1_stats : l.branch2_stats,
       vector(norm.weight), norm_shift(), b.dy, b.dbranch, vector_gradient(norm.weight), adds(i), b.partials});
  if (weights) weight_gradient(b.dbranch, attends ? l.context : l.act, out, adds(i));
  matrices_->at(out).input_gradient(b.dbranch, attends ? b.dhidden : b.dact, batch_.rows().padded, b.products);
}

template <typename T>
void CpuBackend<T>::residual_norm(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm,
                                  const Dropout& dropout) {
  auto& a = activations_;
  const Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  float* const y = attends ? l.y1 : l.y2;
  T* const y_t = attends ? l.y1_t : l.y2_t;
  matrices_->at(out).forward(attends ? l.context : l.act, a.branch, batch_.rows().padded, scratch());
  kernels_in<T>().residual_norm_forward({batch_.rows(), spec_.hidden_size, a.branch, vector(out.bias), x_,
                                         vector(norm.weight), vector(norm.bias), spec_.layer_norm_eps, dropout,
                                         attends ? l.sum1 : l.sum2, attends ? l.stats1 : l.stats2, y, copy_of(y_t)});
  x_ = y;
  x_t_ = y_t;
}

template <typename T>
void CpuBackend<T>::residual_norm_backward(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm,
                                           const Dropout& dropout, bool weights) {
  auto& b = backward_;
  const Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  const int64_t padded = batch_.rows().padded;
  kernels_in<T>().residual_norm_backward({batch_.rows(), spec_.hidden_size, attends ? l.sum1 : l.sum2,
                                          attends ? l.stats1 : l.stats2, vector(norm.weight), dropout, b.dy, b.dbranch,
                                          vector_gradient(out.bias), vector_gradient(norm.weight),
                                          vector_gradient(norm.bias), adds(i), b.partials});
  const Linear<T>& w = matrices_->at(out);
  if (weights) weight_gradient(b.dbranch, attends ? l.context : l.act, out, adds(i));
  w.input_gradient(b.dbranch, attends ? b.dhidden : b.dact, padded, b.products);
}

template <typename T>
at::Tensor CpuBackend<T>::pool(const std::vector<PoolingMode>& modes, size_t number) {
  const int64_t texts = batch_.rows().texts, hidden = spec_.hidden_size;
  at::Tensor pooled = floats(texts, hidden * static_cast<int64_t>(modes.size()));
  if (bag()) {
    kernels::table().common.bag_forward({batch_.rows(), hidden, weights_.words, pooled.mutable_data_ptr<float>()});
    return pooled;
  }
  int32_t* maxima = nullptr;
  if (std::find(modes.begin(), modes.end(), PoolingMode::kMax) != modes.end()) {
    if (maxima_.size() <= number) maxima_.resize(number + 1);
    maxima_[number] = at::empty({texts, hidden}, at::TensorOptions().dtype(at::kInt));
    maxima = maxima_[number].mutable_data_ptr<int32_t>();
  }
  cpu::pool(batch_.rows(), hidden, modes, x_, pooled.mutable_data_ptr<float>(), maxima, batch_.unpooled());
  return pooled;
}

template <typename T>
void CpuBackend<T>::pool_backward(const std::vector<PoolingMode>& modes, const at::Tensor& gradient, size_t number) {
  if (bag()) {
    dbag_ = gradient.contiguous();
    return;
  }
  if (number == 0) backward_.reserve(batch_.rows().padded, batch_.longest());
  const at::Tensor d = gradient.contiguous();
  const bool maximum = number < maxima_.size() && maxima_[number].defined();
  cpu::pool_backward(batch_.rows(), spec_.hidden_size, modes, d.const_data_ptr<float>(), backward_.dy,
                     maximum ? maxima_[number].const_data_ptr<int32_t>() : nullptr, batch_.unpooled(), number > 0);
  if (maximum) maxima_[number].reset();
}

template <typename T>
at::Tensor CpuBackend<T>::dense(const LinearAt& at, const at::Tensor& x) {
  const int64_t texts = x.size(0);
  at::Tensor y = floats(texts, at.out);
  float* to = y.mutable_data_ptr<float>();
  Gemm<float>::forward(x.const_data_ptr<float>(), vector(at.weight), to, texts, at.in, at.out, head_products_);
  if (at.bias >= 0)
    for (int64_t t = 0; t < texts; ++t)
      for (int64_t c = 0; c < at.out; ++c) to[t * at.out + c] += vector(at.bias)[c];
  return y;
}

template <typename T>
at::Tensor CpuBackend<T>::dense_backward(const LinearAt& at, const at::Tensor& gradient, const at::Tensor& x,
                                         bool again) {
  const bool add = add_ || again;
  const at::Tensor dy = gradient.contiguous();
  const float* d = dy.const_data_ptr<float>();
  const int64_t texts = x.size(0);
  if (float* to = gradient_of(at.weight))
    Gemm<float>::weight_gradient(d, x.const_data_ptr<float>(), to, texts, at.in, at.out, add, head_products_);
  if (float* dbias = at.bias >= 0 ? gradient_of(at.bias) : nullptr) {
    if (!add) std::memset(dbias, 0, sizeof(float) * static_cast<size_t>(at.out));
    for (int64_t t = 0; t < texts; ++t)
      for (int64_t c = 0; c < at.out; ++c) dbias[c] += d[t * at.out + c];
  }
  at::Tensor dx = floats(texts, at.in);
  Gemm<float>::input_gradient(d, vector(at.weight), dx.mutable_data_ptr<float>(), texts, at.in, at.out, head_products_);
  return dx;
}

template <typename T>
Backend::NormVectors CpuBackend<T>::module_norm(const NormAt& at) {
  const auto view = [&](int64_t offset) {
    return at::from_blob(const_cast<float*>(vector(offset)), {at.width}, at::kFloat);
  };
  return {view(at.weight), view(at.bias)};
}

template <typename T>
void CpuBackend<T>::module_norm_gradients(const NormAt& at, const NormVectors& gradients, bool again) {
  const auto store = [&](int64_t offset, const at::Tensor& gradient) {
    float* const to = gradient_of(offset);
    const float* const from = gradient.const_data_ptr<float>();
    if (!to) return;
    if (!add_ && !again) std::memset(to, 0, sizeof(float) * static_cast<size_t>(at.width));
    for (int64_t c = 0; c < at.width; ++c) to[c] += from[c];
  };
  store(at.weight, gradients.weight);
  store(at.bias, gradients.bias);
}

template <typename T>
at::Tensor CpuBackend<T>::hidden_states() const {
  if (bag()) {
    const int64_t rows = batch_.rows().rows, hidden = spec_.hidden_size;
    at::Tensor states = floats(rows, hidden);
    for (int64_t r = 0; r < rows; ++r)
      std::copy_n(weights_.words + int64_t{batch_.rows().ids[r]} * hidden, hidden,
                  states.mutable_data_ptr<float>() + r * hidden);
    return states;
  }
  return at::from_blob(const_cast<float*>(x_), {batch_.rows().rows, spec_.hidden_size}, at::kFloat);
}

template <typename T>
void CpuBackend<T>::release() {
  activations_.release();
  backward_.release();
  head_products_.release();
  batch_.release();
  maxima_.clear();
  drelative_.reset();
  dbag_.reset();
  rotary_.release();
}

template class CpuBackend<float>;
template class CpuBackend<bf16>;

}  // namespace vectune::cpu
