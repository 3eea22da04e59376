#include "torch/torch_backend.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/native_dropout.h>
#include <ATen/ops/native_dropout_backward.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/threshold_backward.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

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
  if (f == HiddenActivation::kSilu) return at::silu(x);
  return at::gelu(x, f == HiddenActivation::kGelu ? "none" : "tanh");
}

at::Tensor activation_backward(HiddenActivation f, const at::Tensor& dy, const at::Tensor& x) {
  if (f == HiddenActivation::kRelu) return at::threshold_backward(dy, x, 0);
  if (f == HiddenActivation::kSilu) return at::silu_backward(dy, x);
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
                 spec.encoder.key_heads(), spec.encoder.head_size()),
      biased_(spec.encoder.heads, spec.encoder.head_size()),
      rotary_(spec.encoder) {
  for (const LayerAttention& layer : spec_.attention)
    if (!PackedAttention::is_whole_or_causal(layer.reach) &&
        std::none_of(local_.begin(), local_.end(), [&](const auto& one) { return one.reach() == layer.reach; }))
      local_.emplace_back(layer.reach, spec_.heads, spec_.head_size());
}

void TorchBackend::pack(const Texts& texts, bool keep) {
  release();
  batch_ = stage(place_, texts, spec_);
  keep_ = keep;
  if (attention_.kernel() != PackedAttention::Kernel::kFlash)
    for (LocalAttention& local : local_)
      if (!local.reach().covers(batch_.longest)) local.pack(place_, batch_);
  if (!rotary_.all().empty()) send_angles();
  if (keep) layers_.resize(table_.layers.size());
}

void TorchBackend::send_angles() {
  if (rotary_.reserve(batch_.longest)) {
    rotary_there_.clear();
    for (const RotaryTable& table : rotary_.all())
      rotary_there_.push_back({table.rotary, table.cosines.to(place_.torch()), table.sines.to(place_.torch())});
  }
  angles_.clear();
  const auto of_rows = [&](const at::Tensor& table) {
    return at::index_select(table, 0, batch_.positions).view({batch_.rows, 1, spec_.head_size() / 2});
  };
  for (const RotaryTable& table : rotary_there_)
    angles_.push_back({table.rotary, of_rows(table.cosines), of_rows(table.sines)});
}

void TorchBackend::rotate(int64_t layer, bool back, const at::Tensor& qkv) const {
  const RotaryTable* const table = rotary_.of(layer);
  if (!table) return;
  const RotaryTable& angles = angles_[static_cast<size_t>(table - rotary_.all().data())];
  const int64_t half = spec_.head_size() / 2;
  const at::Tensor qk = qkv.view({batch_.rows, spec_.heads + 2 * spec_.key_heads(), 2 * half})
                            .narrow(1, 0, spec_.heads + spec_.key_heads());
  at::Tensor first = qk.narrow(2, 0, half), second = qk.narrow(2, half, half);
  const at::Tensor sines = back ? -angles.sines : angles.sines;
  const at::Tensor u = first * angles.cosines - second * sines, v = second * angles.cosines + first * sines;
  first.copy_(u);
  second.copy_(v);
}

const LocalAttention* TorchBackend::local(int64_t i) const {
  const Reach reach = spec_.attention_of(i).reach;
  if (reach.covers(batch_.longest) || PackedAttention::is_whole_or_causal(reach) ||
      attention_.kernel() == PackedAttention::Kernel::kFlash)
    return nullptr;
  return &*std::find_if(local_.begin(), local_.end(), [&](const auto& one) { return one.reach() == reach; });
}

void TorchBackend::normalise(const NormAt& at, NormKind kind, Normed& n) const {
  const Norm& norm = weights_.encoder.norms[at.number];
  if (kind == NormKind::kRms) {
    const at::Tensor x = n.sum.to(at::kFloat);
    n.rstd = at::mean(x * x, at::IntArrayRef{1}, true).add_(spec_.layer_norm_eps).rsqrt_();
    if (spec_.architecture->norms_add_one)
      n.y = (x * n.rstd * (norm.weight.to(at::kFloat) + 1)).to(n.sum.scalar_type());
    else n.y = (x * n.rstd).to(n.sum.scalar_type()) * norm.weight;
    if (norm.bias.defined()) n.y.add_(norm.bias);
    return;
  }
  std::tie(n.y, n.mean, n.rstd) =
      at::native_layer_norm(n.sum, {at.width}, norm.weight, norm.bias, spec_.layer_norm_eps);
}

/// d(sum); gradients of the norm's weight and bias.
at::Tensor TorchBackend::normalise_backward(const NormAt& at, NormKind kind, const Normed& n, const at::Tensor& dy,
                                            bool add) const {
  const Norm &norm = weights_.encoder.norms[at.number], &to = gradients_.encoder.norms[at.number];
  if (kind == NormKind::kRms) {
    const at::Tensor normed = n.sum.to(at::kFloat) * n.rstd, d = dy.to(at::kFloat),
                     g = spec_.architecture->norms_add_one ? d * (norm.weight.to(at::kFloat) + 1) : d * norm.weight;
    store(to.weight, at::sum(d * normed, at::IntArrayRef{0}), add);
    if (norm.bias.defined()) store(to.bias, at::sum(d, at::IntArrayRef{0}), add);
    const at::Tensor mean = at::mean(g * normed, at::IntArrayRef{1}, true);
    return ((g - normed * mean) * n.rstd).to(n.sum.scalar_type());
  }
  const bool has_bias = norm.bias.defined();
  auto [dsum, dweight, dbias] = at::native_layer_norm_backward(dy, n.sum, {at.width}, n.mean, n.rstd, norm.weight,
                                                               norm.bias, {true, true, has_bias});
  store(to.weight, dweight, add);
  if (has_bias) store(to.bias, dbias, add);
  return dsum;
}

void TorchBackend::embed(const NormAt& norm, const Dropout& dropout) {
  const EmbeddingTables& tables = weights_.tables;
  if (tables.relative.defined()) biased_.pack(place_, batch_, tables.relative);
  if (spec_.architecture->is_bag) {
    x_ = at::index_select(tables.words, 0, batch_.ids);
    return;
  }
  if (!norm.exists()) {
    x_ = at::index_select(tables.words, 0, batch_.ids);
    if (spec_.architecture->scales_words) x_.mul_(word_scale());
    return;
  }
  Normed n;
  n.sum = at::index_select(tables.words, 0, batch_.ids);
  if (tables.positions.defined()) n.sum.add_(at::index_select(tables.positions, 0, batch_.positions));
  if (tables.types.defined()) n.sum.add_(tables.types[0]);
  normalise(norm, NormKind::kLayer, n);
  x_ = drop(n.y, dropout, n.mask);
  n.y = x_;
  input_ = x_;
  if (keep_) embedded_ = std::move(n);
}

void TorchBackend::embed_backward(const NormAt& norm, const Dropout& dropout, const Wanted& wanted) {
  at::Tensor dsum = dx_;
  if (norm.exists())
    dsum = normalise_backward(norm, NormKind::kLayer, embedded_, drop_backward(dx_, dropout, embedded_.mask),
                              add_to_encoder_);
  dsum = dsum.to(at::kFloat);
  if (spec_.architecture->scales_words) dsum = dsum * word_scale();
  const EmbeddingTables& tables = gradients_.tables;
  const auto add = [&](at::Tensor table, const at::Tensor& rows, int64_t pad) {
    table.index_add_(0, rows, dsum);
    if (pad >= 0) table[pad].zero_();
  };
  if (wanted.words) add(tables.words, batch_.ids, batch_.pad_row);
  if (wanted.positions && tables.positions.defined()) add(tables.positions, batch_.positions, pad_position(spec_));
  if (wanted.types && tables.types.defined()) tables.types[0].add_(at::sum(dsum, at::IntArrayRef{0}));
}

void TorchBackend::project(const LinearAt& projection) {
  x_ = weights_.encoder.linears[projection.number].forward(x_);
  input_ = x_;
  if (keep_) projected_ = x_;
}

void TorchBackend::project_backward(const LinearAt& projection, bool weights) {
  projected_.reset();
  if (weights) gradients_.encoder.linears[projection.number].store(dx_, embedded_.y, add_to_encoder_);
  dx_ = weights_.encoder.linears[projection.number].input_gradient(dx_);
}

void TorchBackend::attention(int64_t i, const LinearAt& qkv, const Dropout& dropout) {
  Layer& l = layer(i);
  Normed before = std::move(l.before);
  l = {};
  l.before = std::move(before);
  l.qkv = weights_.encoder.linears[qkv.number].forward(input_);
  if (!spec_.architecture->has_head_norms()) rotate(i, false, l.qkv);
  const at::Tensor qkv_of_heads = ready_heads(i, l.qkv);
  if (table_.relative_bias >= 0)
    l.context = biased_.forward(qkv_of_heads, dropout.probability, keep_ ? &l.biased : nullptr);
  else if (const LocalAttention* of_part = local(i))
    l.context = of_part->forward(qkv_of_heads, dropout.probability, keep_ ? &l.local : nullptr);
  else
    l.context = attention_.forward(qkv_of_heads, batch_, dropout.probability, keep_ ? &l.attention : nullptr,
                                   spec_.attention_of(i).reach);
}

at::Tensor TorchBackend::head_norm(const NormAt& at, const at::Tensor& x, double scale) const {
  const at::Tensor fp32 = x.to(at::kFloat), weight = weights_.encoder.norms[at.number].weight.to(at::kFloat);
  const at::Tensor rstd = at::mean(fp32 * fp32, at::IntArrayRef{2}, true).add_(spec_.layer_norm_eps).rsqrt_();
  return fp32 * rstd * ((spec_.architecture->norms_add_one ? weight + 1 : weight) * scale);
}

at::Tensor TorchBackend::head_norm_backward(const NormAt& at, const at::Tensor& x, const at::Tensor& dy, double scale,
                                            bool add) const {
  const at::Tensor fp32 = x.to(at::kFloat), weight = weights_.encoder.norms[at.number].weight.to(at::kFloat);
  const at::Tensor rstd = at::mean(fp32 * fp32, at::IntArrayRef{2}, true).add_(spec_.layer_norm_eps).rsqrt_();
  const at::Tensor normed = fp32 * rstd, d = dy.to(at::kFloat) * scale,
                   g = d * (spec_.architecture->norms_add_one ? weight + 1 : weight);
  store(gradients_.encoder.norms[at.number].weight, at::sum(d * normed, at::IntArrayRef{0, 1}), add);
  return (g - normed * at::mean(g * normed, at::IntArrayRef{2}, true)) * rstd;
}

at::Tensor TorchBackend::ready_heads(int64_t i, const at::Tensor& qkv) const {
  const int64_t rows = batch_.rows, heads = spec_.heads, keys = spec_.key_heads(), size = spec_.head_size();
  at::Tensor ready = qkv;
  if (spec_.architecture->has_head_norms()) {
    const LayerAt& at = table_.layers[static_cast<size_t>(i)];
    const at::Tensor from = qkv.view({rows, heads + 2 * keys, size});
    ready = at::empty_like(from);
    ready.narrow(1, 0, heads).copy_(head_norm(at.query_norm, from.narrow(1, 0, heads), spec_.query_scale));
    ready.narrow(1, heads, keys).copy_(head_norm(at.key_norm, from.narrow(1, heads, keys), 1));
    ready.narrow(1, heads + keys, keys).copy_(from.narrow(1, heads + keys, keys));
    ready = ready.view(qkv.sizes());
    rotate(i, false, ready);
  }
  if (keys == heads || takes_grouped(i)) return ready;
  const at::Tensor from = ready.view({rows, heads + 2 * keys, size});
  const at::Tensor spread = from.narrow(1, heads, 2 * keys)
                                .unsqueeze(2)
                                .expand({rows, 2 * keys, heads / keys, size})
                                .reshape({rows, 2 * heads, size});
  return at::cat({from.narrow(1, 0, heads), spread}, 1).view({rows, 3 * heads * size});
}

at::Tensor TorchBackend::ready_heads_backward(int64_t i, const at::Tensor& qkv, const at::Tensor& dready) const {
  const int64_t rows = batch_.rows, heads = spec_.heads, keys = spec_.key_heads(), size = spec_.head_size();
  at::Tensor d = dready;
  if (keys != heads && !takes_grouped(i)) {
    const at::Tensor from = dready.view({rows, 3 * heads, size});
    const at::Tensor gathered =
        at::sum(from.narrow(1, heads, 2 * heads).reshape({rows, 2 * keys, heads / keys, size}), at::IntArrayRef{2});
    d = at::cat({from.narrow(1, 0, heads), gathered}, 1).view({rows, (heads + 2 * keys) * size});
  }
  rotate(i, true, d);
  if (!spec_.architecture->has_head_norms()) return d;
  const LayerAt& at = table_.layers[static_cast<size_t>(i)];
  const at::Tensor from = qkv.view({rows, heads + 2 * keys, size}), to = d.view(from.sizes());
  for (const auto& [norm, begin, count, scale] :
       {std::tuple(&at.query_norm, int64_t{0}, heads, spec_.query_scale), std::tuple(&at.key_norm, heads, keys, 1.0)}) {
    at::Tensor part = to.narrow(1, begin, count);
    part.copy_(head_norm_backward(*norm, from.narrow(1, begin, count), part, scale, adds(i)));
  }
  return d;
}

void TorchBackend::attention_backward(int64_t i, const LinearAt& qkv, const Dropout& dropout, bool weights,
                                      bool input) {
  Layer& l = layer(i);
  const bool normed = normed_before(i, Branch::kAttention);
  const at::Tensor x = normed                 ? l.before.y
                       : i > 0                ? layer(i - 1).output.y
                       : projected_.defined() ? projected_
                                              : embedded_.y;
  at::Tensor dqkv;
  {
    const at::Tensor ready = ready_heads(i, l.qkv);
    if (table_.relative_bias >= 0)
      dqkv = biased_.backward(dbranch_, ready, dropout.probability, l.biased, gradients_.tables.relative);
    else if (const LocalAttention* of_part = local(i))
      dqkv = of_part->backward(dbranch_, ready, dropout.probability, l.local);
    else
      dqkv =
          attention_.backward(dbranch_, ready, batch_, dropout.probability, l.attention, spec_.attention_of(i).reach);
  }
  dqkv = ready_heads_backward(i, l.qkv, dqkv);
  dbranch_.reset();
  const Linear& w = weights_.encoder.linears[qkv.number];
  if (weights) gradients_.encoder.linears[qkv.number].store(dqkv, x, adds(i));
  if (input && normed) dinput_ = w.input_gradient(dqkv);
  else if (input) dx_ = w.add_input_gradient(dx_, dqkv);
  Normed before = std::move(l.before);
  l = {};
  l.before = std::move(before);
}

namespace {

/// Which half of a gate's two goes through the activation; the other.
std::pair<at::Tensor, at::Tensor> halves(const at::Tensor& up, Architecture::Gate gate) {
  const int64_t width = up.size(1) / 2;
  const at::Tensor first = up.narrow(1, 0, width), second = up.narrow(1, width, width);
  return gate == Architecture::Gate::kFirst ? std::pair(first, second) : std::pair(second, first);
}

}  // namespace

void TorchBackend::feed_forward(int64_t i, const LinearAt& up, const Dropout& dropout) {
  Layer& l = layer(i);
  l.up = weights_.encoder.linears[up.number].forward(input_);
  if (!spec_.architecture->gated()) {
    l.act = activation(spec_.hidden_activation, l.up);
    return;
  }
  const auto [a, b] = halves(l.up, spec_.architecture->gate);
  l.act = drop(activation(spec_.hidden_activation, a) * b, dropout, l.gate_mask);
}

void TorchBackend::feed_forward_backward(int64_t i, const LinearAt& up, const Dropout& dropout, bool weights) {
  Layer& l = layer(i);
  at::Tensor dup;
  if (spec_.architecture->gated()) {
    const at::Tensor d = drop_backward(dbranch_, dropout, l.gate_mask);
    const auto [a, b] = halves(l.up, spec_.architecture->gate);
    dup = at::empty_like(l.up);
    auto [da, db] = halves(dup, spec_.architecture->gate);
    da.copy_(activation_backward(spec_.hidden_activation, d * b, a.contiguous()));
    db.copy_(d * activation(spec_.hidden_activation, a));
  } else {
    dup = activation_backward(spec_.hidden_activation, dbranch_, l.up);
  }
  dbranch_.reset();
  l.act.reset();
  l.up.reset();
  const Linear& w = weights_.encoder.linears[up.number];
  if (weights) gradients_.encoder.linears[up.number].store(dup, l.attended.y, adds(i));
  if (normed_before(i, Branch::kFeedForward)) dinput_ = w.input_gradient(dup);
  else dx_ = w.add_input_gradient(dx_, dup);
}

void TorchBackend::norm_before(int64_t i, Branch part, const NormAt& norm) {
  Layer& l = layer(i);
  Normed& n = part == Branch::kAttention ? l.before : l.attended;
  n.sum = x_;
  normalise(norm, spec_.architecture->norm_kind, n);
  input_ = n.y;
}

void TorchBackend::norm_before_backward(int64_t i, Branch part, const NormAt& norm) {
  Layer& l = layer(i);
  Normed& n = part == Branch::kAttention ? l.before : l.attended;
  dx_ = dx_ + normalise_backward(norm, spec_.architecture->norm_kind, n, dinput_, adds(i));
  dinput_.reset();
  if (part == Branch::kAttention) n = {};
}

void TorchBackend::residual(int64_t i, Branch branch, const LinearAt& out, const Dropout& dropout) {
  Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  const at::Tensor y = weights_.encoder.linears[out.number].forward(attends ? l.context : l.act);
  x_ = at::add(drop(y, dropout, (attends ? l.attended : l.output).mask), x_);
}

void TorchBackend::residual_backward(int64_t i, Branch branch, const LinearAt& out, const Dropout& dropout,
                                     bool weights) {
  Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  const at::Tensor d = drop_backward(dx_, dropout, (attends ? l.attended : l.output).mask);
  if (weights) gradients_.encoder.linears[out.number].store(d, attends ? l.context : l.act, adds(i));
  dbranch_ = weights_.encoder.linears[out.number].input_gradient(d);
}

void TorchBackend::normed_residual(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm) {
  Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  Normed& n = l.branches[attends ? 0 : 1];
  n.sum = weights_.encoder.linears[out.number].forward(attends ? l.context : l.act);
  normalise(norm, NormKind::kRms, n);
  x_ = at::add(n.y, x_);
  n.y.reset();
}

void TorchBackend::normed_residual_backward(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm,
                                            bool weights) {
  Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  Normed& n = l.branches[attends ? 0 : 1];
  const at::Tensor d = normalise_backward(norm, NormKind::kRms, n, dx_, adds(i));
  n = {};
  if (weights) gradients_.encoder.linears[out.number].store(d, attends ? l.context : l.act, adds(i));
  dbranch_ = weights_.encoder.linears[out.number].input_gradient(d);
}

void TorchBackend::final_norm(const NormAt& norm) {
  final_ = {};
  final_.sum = x_;
  normalise(norm, spec_.architecture->norm_kind, final_);
  x_ = final_.y;
  if (!keep_) final_ = {};
}

void TorchBackend::final_norm_backward(const NormAt& norm) {
  dx_ = normalise_backward(norm, spec_.architecture->norm_kind, final_, dx_, add_to_encoder_);
  final_ = {};
}

void TorchBackend::residual_norm(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm,
                                 const Dropout& dropout) {
  Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  Normed& n = attends ? l.attended : l.output;
  const at::Tensor y = weights_.encoder.linears[out.number].forward(attends ? l.context : l.act);
  n.sum = at::add(drop(y, dropout, n.mask), x_);
  normalise(norm, NormKind::kLayer, n);
  x_ = n.y;
  input_ = x_;
}

void TorchBackend::residual_norm_backward(int64_t i, Branch branch, const LinearAt& out, const NormAt& norm,
                                          const Dropout& dropout, bool weights) {
  Layer& l = layer(i);
  const bool attends = branch == Branch::kAttention;
  const Normed& n = attends ? l.attended : l.output;
  dx_ = normalise_backward(norm, NormKind::kLayer, n, dx_, adds(i));
  const at::Tensor d = drop_backward(dx_, dropout, n.mask);
  if (weights) gradients_.encoder.linears[out.number].store(d, attends ? l.context : l.act, adds(i));
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
  input_.reset();
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
  const Linear& dense = weights_.head.linears[at.number];
  return at.bias >= 0 ? dense.forward(x) : at::mm(x, dense.weight.t());
}

at::Tensor TorchBackend::dense_backward(const LinearAt& at, const at::Tensor& d, const at::Tensor& x, bool again) {
  gradients_.head.linears[at.number].store(d, x, add_to_head_ || again);
  return weights_.head.linears[at.number].input_gradient(d);
}

Backend::NormVectors TorchBackend::module_norm(const NormAt& at) {
  const Norm& norm = weights_.head.norms[at.number];
  return {norm.weight, norm.bias};
}

void TorchBackend::module_norm_gradients(const NormAt& at, const NormVectors& gradients, bool again) {
  const Norm& to = gradients_.head.norms[at.number];
  store(to.weight, gradients.weight, add_to_head_ || again);
  store(to.bias, gradients.bias, add_to_head_ || again);
}

at::Tensor TorchBackend::hidden_states() const {
  return x_.narrow(0, 0, batch_.tokens).to(at::kFloat).cpu().contiguous();
}

void TorchBackend::release() {
  batch_ = {};
  embedded_ = {};
  projected_.reset();
  layers_.clear();
  passing_ = {};
  pooled_.clear();
  final_ = {};
  angles_.clear();
  for (at::Tensor* tensor : {&x_, &input_, &dx_, &dinput_, &dbranch_}) tensor->reset();
}

}  // namespace vectune::device
