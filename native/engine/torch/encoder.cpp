#include "torch/encoder.h"

#include <ATen/ops/add.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/native_dropout.h>
#include <ATen/ops/native_dropout_backward.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/threshold_backward.h>

#include <tuple>

namespace vectune::device {

namespace {

/// x·Wᵀ + b in one product
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::addmm(bias, x, weight.t());
}

at::Tensor drop(const at::Tensor& x, double p, at::Tensor& mask) {
  if (p <= 0) return x;
  auto [y, kept] = at::native_dropout(x, p, true);
  mask = std::move(kept);
  return y;
}

at::Tensor drop_backward(const at::Tensor& dy, double p, const at::Tensor& mask) {
  return mask.defined() ? at::native_dropout_backward(dy, mask, 1.0 / (1.0 - p)) : dy;
}

at::Tensor activation(HiddenActivation f, const at::Tensor& x) {
  if (f == HiddenActivation::kRelu) return at::relu(x);
  return at::gelu(x, f == HiddenActivation::kGelu ? "none" : "tanh");
}

at::Tensor activation_backward(HiddenActivation f, const at::Tensor& dy, const at::Tensor& x) {
  if (f == HiddenActivation::kRelu) return at::threshold_backward(dy, x, 0);
  return at::gelu_backward(dy, x, f == HiddenActivation::kGelu ? "none" : "tanh");
}

/// Gradients into their places in the flat buffer.
struct Store {
  bool add;

  void vector(at::Tensor to, const at::Tensor& gradient) const {
    if (add) to.add_(gradient);
    else to.copy_(gradient);
  }
  /// Of y = x·Wᵀ + b: dW = dyᵀ·x, db = Σ rows of dy
  void linear(at::Tensor weight, at::Tensor bias, const at::Tensor& dy, const at::Tensor& x) const {
    if (add) {
      bias.add_(at::sum(dy, at::IntArrayRef{0}, false, bias.scalar_type()));
      weight.addmm_(dy.t(), x);
    } else {
      at::sum_out(bias, dy, at::IntArrayRef{0}, false, bias.scalar_type());
      at::mm_out(weight, dy.t(), x);
    }
  }
};

}  // namespace

at::Tensor DeviceEncoder::forward(const DeviceBatch& batch, const EmbeddingTables& tables, const EncoderTensors& w,
                                  const DropoutRates& dropout, DeviceActivations* saved, const Cancel& cancel,
                                  const Observer& observe) const {
  const int64_t hidden = spec_.hidden_size;
  const auto normalise = [&](const at::Tensor& sum, const at::Tensor& weight, const at::Tensor& bias) {
    return at::native_layer_norm(sum, {hidden}, weight, bias, spec_.layer_norm_eps);
  };
  cancel.check();
  if (saved) *saved = {};
  at::Tensor x;
  {
    at::Tensor sum = at::index_select(tables.words, 0, batch.ids);
    sum.add_(at::index_select(tables.positions, 0, batch.positions));
    if (tables.types.defined()) sum.add_(tables.types[0]);
    auto [y, mean, rstd] = normalise(sum, w.norm_weight, w.norm_bias);
    at::Tensor mask;
    x = drop(y, dropout.hidden, mask);
    if (saved) saved->sum0 = sum, saved->mean0 = mean, saved->rstd0 = rstd, saved->mask0 = mask, saved->y0 = x;
  }
  if (observe) observe(0, x);

  for (size_t i = 0; i < w.layers.size(); ++i) {
    cancel.check();
    const LayerTensors& at = w.layers[i];
    DeviceActivations::Layer l;
    l.qkv = linear(x, at.qkv_weight, at.qkv_bias);
    l.context = attention_.forward(l.qkv, batch, dropout.attention, saved ? &l.attention : nullptr);
    l.sum1 = at::add(drop(linear(l.context, at.out_weight, at.out_bias), dropout.attention_out, l.mask1), x);
    std::tie(l.y1, l.mean1, l.rstd1) = normalise(l.sum1, at.attention_norm_weight, at.attention_norm_bias);
    l.up = linear(l.y1, at.up_weight, at.up_bias);
    l.act = activation(spec_.hidden_activation, l.up);
    l.sum2 = at::add(drop(linear(l.act, at.down_weight, at.down_bias), dropout.hidden, l.mask2), l.y1);
    std::tie(l.y2, l.mean2, l.rstd2) = normalise(l.sum2, at.output_norm_weight, at.output_norm_bias);
    x = l.y2;
    if (saved) saved->layers.push_back(std::move(l));
    if (observe) observe(static_cast<int64_t>(i) + 1, x);
  }
  return x;
}

void DeviceEncoder::backward(at::Tensor dy, const DeviceBatch& batch, const EncoderTensors& w,
                             const DropoutRates& dropout, DeviceActivations& saved, const EncoderGradients& gradients,
                             const Wanted& wanted, const Cancel& cancel) const {
  const int64_t hidden = spec_.hidden_size;
  const Store store{gradients.accumulate};
  /// In place: dy → d(sum); gradients of the norm's weight and bias.
  const auto norm_backward = [&](const at::Tensor& d, const at::Tensor& sum, const at::Tensor& mean,
                                 const at::Tensor& rstd, const at::Tensor& weight, const at::Tensor& bias,
                                 const at::Tensor& dweight, const at::Tensor& dbias) {
    auto [dsum, dgamma, dbeta] =
        at::native_layer_norm_backward(d, sum, {hidden}, mean, rstd, weight, bias, {true, true, true});
    store.vector(dweight, dgamma);
    store.vector(dbias, dbeta);
    return dsum;
  };

  for (int64_t i = static_cast<int64_t>(w.layers.size()) - 1; i >= wanted.lowest_layer; --i) {
    cancel.check();
    const LayerTensors& at = w.layers[static_cast<size_t>(i)];
    const LayerTensors& g = gradients.encoder.layers[static_cast<size_t>(i)];
    DeviceActivations::Layer l = std::move(saved.layers.back());
    saved.layers.pop_back();
    const at::Tensor& x = i > 0 ? saved.layers.back().y2 : saved.y0;
    const bool weights = wanted.layers[static_cast<size_t>(i)];

    // y2 = LN(y1 + drop(act·Wdᵀ + bd))
    const at::Tensor dsum2 = norm_backward(dy, l.sum2, l.mean2, l.rstd2, at.output_norm_weight, at.output_norm_bias,
                                           g.output_norm_weight, g.output_norm_bias);
    const at::Tensor ddown = drop_backward(dsum2, dropout.hidden, l.mask2);
    if (weights) store.linear(g.down_weight, g.down_bias, ddown, l.act);
    // act = gelu(y1·Wuᵀ + bu)
    const at::Tensor dup = activation_backward(spec_.hidden_activation, at::mm(ddown, at.down_weight), l.up);
    l.act.reset();
    l.up.reset();
    if (weights) store.linear(g.up_weight, g.up_bias, dup, l.y1);
    const at::Tensor dy1 = at::addmm(dsum2, dup, at.up_weight);
    // y1 = LN(x + drop(context·Woᵀ + bo))
    const at::Tensor dsum1 = norm_backward(dy1, l.sum1, l.mean1, l.rstd1, at.attention_norm_weight,
                                           at.attention_norm_bias, g.attention_norm_weight, g.attention_norm_bias);
    const at::Tensor dout = drop_backward(dsum1, dropout.attention_out, l.mask1);
    if (weights) store.linear(g.out_weight, g.out_bias, dout, l.context);
    // context = attention(x·Wqkvᵀ + bqkv)
    const at::Tensor dqkv =
        attention_.backward(at::mm(dout, at.out_weight), l.qkv, batch, dropout.attention, l.attention);
    if (weights) store.linear(g.qkv_weight, g.qkv_bias, dqkv, x);
    if (i > wanted.lowest_layer || wanted.embeddings()) dy = at::addmm(dsum1, dqkv, at.qkv_weight);
  }

  if (wanted.lowest_layer > 0 || !wanted.embeddings()) return;
  cancel.check();
  // y0 = drop(LN(word + position + type))
  const at::Tensor dsum =
      norm_backward(drop_backward(dy, dropout.hidden, saved.mask0), saved.sum0, saved.mean0, saved.rstd0, w.norm_weight,
                    w.norm_bias, gradients.encoder.norm_weight, gradients.encoder.norm_bias)
          .to(at::kFloat);
  const EmbeddingTables& tables = gradients.tables;
  if (wanted.words) tables.words.index_add_(0, batch.ids, dsum);
  if (wanted.positions) tables.positions.index_add_(0, batch.positions, dsum);
  if (wanted.types && tables.types.defined()) tables.types[0].add_(at::sum(dsum, at::IntArrayRef{0}));
}

}  // namespace vectune::device
