#include "torch/torch_backend.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/native_dropout.h>
#include <ATen/ops/native_dropout_backward.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>

#include <tuple>

#include "torch/gpus.h"
#include "torch/pooling.h"

namespace vectune::device {

namespace {

at::Tensor drop(const at::Tensor& x, const Dropout& dropout, at::Tensor& mask) {
  if (!dropout.on()) return x;
  auto [y, kept] = at::native_dropout(x, dropout.probability, true);
  mask = std::move(kept);
  return y;
}

at::Tensor drop_backward(const at::Tensor& dy, const Dropout& dropout, const at::Tensor& mask) {
  if (!mask.defined()) return dy;
  return at::native_dropout_backward(dy, mask, 1.0 / (1.0 - static_cast<double>(dropout.probability)));
}

at::Tensor activation(HiddenActivation f, const at::Tensor& x) {
  if (f == HiddenActivation::kRelu) return at::relu(x);
  return at::gelu(x, f == HiddenActivation::kGelu ? "none" : "tanh");
}

at::Tensor activation_backward(HiddenActivation f, const at::Tensor& dy, const at::Tensor& x) {
  if (f == HiddenActivation::kRelu) return at::threshold_backward(dy, x, 0);
  return at::gelu_backward(dy, x, f == HiddenActivation::kGelu ? "none" : "tanh");
}

void store(at::Tensor to, const at::Tensor& gradient, bool add) {
  if (!to.defined()) return;  // it is frozen
  if (add) to.add_(gradient);
  else to.copy_(gradient);
}

}  // namespace

TorchBackend::TorchBackend(const ModelSpec& spec, const ParameterTable& table, const Place& place, at::ScalarType type)
    : spec_(spec.encoder),
      table_(table),
      place_(place),
      type_(type),
      attention_(PackedAttention::choose(place, gpu_of(place), type, spec.encoder.head_size()), spec.encoder.heads,
                 spec.encoder.head_size()),
      biased_(spec.encoder.heads, spec.encoder.head_size()) {}

void TorchBackend::pack(const Texts& texts, bool keep) {
  release();
  batch_ = stage(place_, texts, spec_);
  keep_ = keep;
  if (keep) layers_.resize(table_.layers.size());
}

void TorchBackend::normalise(const NormAt& at, Normed& n) const {
  const Norm& norm = weights_.encoder.norms[at.number];
  std::tie(n.y, n.mean, n.rstd) =
      at::native_layer_norm(n.sum, {spec_.hidden_size}, norm.weight, norm.bias, spec_.layer_norm_eps);
}

/// d(sum); gradients of the norm's weight and bias.
at::Tensor TorchBackend::normalise_backward(const NormAt& at, const Normed& n, const at::Tensor& dy) const {
  const Norm &norm = weights_.encoder.norms[at.number], &to = gradients_.encoder.norms[at.number];
  auto [dsum, dweight, dbias] = at::native_layer_norm_backward(dy, n.sum, {spec_.hidden_size}, n.mean, n.rstd,
                                                               norm.weight, norm.bias, {true, true, true});
  store(to.weight, dweight, add_to_encoder_);
  store(to.bias, dbias, add_to_encoder_);
  return dsum;
}

void TorchBackend::embed(const NormAt& norm, const Dropout& dropout) {
  const EmbeddingTables& tables = weights_.tables;
  if (tables.relative.defined()) biased_.pack(place_, batch_, tables.relative);
  if (spec_.architecture->is_bag) {
    x_ = at::index_select(tables.words, 0, batch_.ids);
    return;
  }
  Normed n;
  n.sum = at::index_select(tables.words, 0, batch_.ids);
  n.sum.add_(at::index_select(tables.positions, 0, batch_.positions));
  if (tables.types.defined()) n.sum.add_(tables.types[0]);
  normalise(norm, n);
  x_ = drop(n.y, dropout, n.mask);
  n.y = x_;
  if (keep_) embedded_ = std::move(n);
}

void TorchBackend::embed_backward(const NormAt& norm, const Dropout& dropout, const Wanted& wanted) {
  const at::Tensor dsum =
      (spec_.architecture->is_bag ? dx_
                                  : normalise_backward(norm, embedded_, drop_backward(dx_, dropout, embedded_.mask)))
          .to(at::kFloat);
  const EmbeddingTables& tables = gradients_.tables;
  const auto add = [&](at::Tensor table, const at::Tensor& rows, int64_t pad) {
    table.index_add_(0, rows, dsum);
    if (pad >= 0) table[pad].zero_();
  };
  if (wanted.words) add(tables.words, batch_.ids, batch_.pad_row);
  if (wanted.positions) add(tables.positions, batch_.positions, pad_position(spec_));
  if (wanted.types && tables.types.defined()) tables.types[0].add_(at::sum(dsum, at::IntArrayRef{0}));
}

void TorchBackend::attention(int64_t i, const LinearAt& qkv, const Dropout& dropout) {
  Layer& l = layer(i);
  l = {};
  l.qkv = weights_.encoder.linears[qkv.number].forward(x_);
  l.context = table_.relative_bias >= 0
                  ? biased_.forward(l.qkv, dropout.probability, keep_ ? &l.biased : nullptr)
                  : attention_.forward(l.qkv, batch_, dropout.probability, keep_ ? &l.attention : nullptr);
}

void TorchBackend::attention_backward(int64_t i, const LinearAt& qkv, const Dropout& dropout, bool weights,
                                      bool input) {
  Layer& l = layer(i);
  const at::Tensor& x = i > 0 ? layer(i - 1).output.y : embedded_.y;
  const at::Tensor dqkv =
      table_.relative_bias >= 0
          ? biased_.backward(dbranch_, l.qkv, dropout.probability, l.biased, gradients_.tables.relative)
          : attention_.backward(dbranch_, l.qkv, batch_, dropout.probability, l.attention);
  dbranch_.reset();
  if (weights) gradients_.encoder.linears[qkv.number].store(dqkv, x, add_to_encoder_);
  if (input) dx_ = weights_.encoder.linears[qkv.number].add_input_gradient(dx_, dqkv);
  l = {};
}

void TorchBackend::feed_forward(int64_t i, const LinearAt& up) {
  Layer& l = layer(i);
  l.up = weights_.encoder.linears[up.number].forward(x_);
  l.act = activation(spec_.hidden_activation, l.up);
}

void TorchBackend::feed_forward_backward(int64_t i, const LinearAt& up, bool weights) {
  Layer& l = layer(i);
  const at::Tensor dup = activation_backward(spec_.hidden_activation, dbranch_, l.up);
  dbranch_.reset();
  l.act.reset();
  l.up.reset();
  if (weights) gradients_.encoder.linears[up.number].store(dup, l.attended.y, add_to_encoder_);
  dx_ = weights_.encoder.linears[up.number].add_input_gradient(dx_, dup);
}

void TorchBackend::residual_norm(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm,
                                 const Dropout& dropout) {
  Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  Normed& n = attends ? l.attended : l.output;
  const at::Tensor y = weights_.encoder.linears[out.number].forward(attends ? l.context : l.act);
  n.sum = at::add(drop(y, dropout, n.mask), x_);
  normalise(norm, n);
  x_ = n.y;
}

void TorchBackend::residual_norm_backward(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm,
                                          const Dropout& dropout, bool weights) {
  Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  const Normed& n = attends ? l.attended : l.output;
  dx_ = normalise_backward(norm, n, dx_);
  const at::Tensor d = drop_backward(dx_, dropout, n.mask);
  if (weights) gradients_.encoder.linears[out.number].store(d, attends ? l.context : l.act, add_to_encoder_);
  dbranch_ = weights_.encoder.linears[out.number].input_gradient(d);
}

at::Tensor TorchBackend::pool(const std::vector<PoolingMode>& modes, size_t number) {
  if (pooled_.size() <= number) pooled_.resize(number + 1);
  Pooled& pooled = pooled_[number];
  pooled.from = x_.to(at::kFloat);
  at::Tensor vectors = device::pool(batch_, modes, pooled.from, pooled.maxima);
  if (!pooled.maxima.defined()) pooled.from.reset();
  if (number > 0) return vectors;
  x_.reset();
  passing_ = {};
  return vectors;
}

void TorchBackend::pool_backward(const std::vector<PoolingMode>& modes, const at::Tensor& gradient, size_t number) {
  Pooled& pooled = pooled_[number];
  const at::Tensor d = device::pool_backward(batch_, modes, gradient, pooled.from, pooled.maxima).to(type_);
  dx_ = number == 0 ? d : dx_ + d;
  pooled = {};
}

at::Tensor TorchBackend::dense(const LinearAt& at, const at::Tensor& x) {
  const Linear& dense = weights_.head[at.number];
  return at.bias >= 0 ? dense.forward(x) : at::mm(x, dense.weight.t());
}

at::Tensor TorchBackend::dense_backward(const LinearAt& at, const at::Tensor& d, const at::Tensor& x, bool again) {
  gradients_.head[at.number].store(d, x, add_to_head_ || again);
  return weights_.head[at.number].input_gradient(d);
}

at::Tensor TorchBackend::hidden_states() const {
  return x_.narrow(0, 0, batch_.tokens).to(at::kFloat).cpu().contiguous();
}

void TorchBackend::release() {
  batch_ = {};
  embedded_ = {};
  layers_.clear();
  passing_ = {};
  pooled_.clear();
  for (at::Tensor* tensor : {&x_, &dx_, &dbranch_}) tensor->reset();
}

}  // namespace vectune::device
