#pragma once
// The reference of the hand-written passes: the same model out of LibTorch's ordinary operators, padded to nothing,
// text by text, differentiated by autograd. Used by tests only.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "model/model.h"
#include "nn/dropout_plan.h"
#include "train/dataset.h"

namespace vectune::oracle {

/// Every parameter of a model as a double leaf that wants a gradient.
inline std::map<std::string, at::Tensor> leaves(const Model& model) {
  std::map<std::string, at::Tensor> all;
  for (const auto& p : model.parameters().all())
    all[p.name] = at::from_blob(const_cast<float*>(model.data() + p.offset), p.shape, at::kFloat)
                      .to(at::kDouble)
                      .set_requires_grad(true);
  return all;
}

/// What the kernel keeps of features of rows, times the scale: read off the kernel itself, by giving it ones.
inline at::Tensor hidden_mask(const kernels::Dropout& dropout, int32_t text, int64_t tokens, int64_t hidden) {
  std::vector<uint64_t> keys;
  for (int64_t i = 0; i < tokens; ++i) keys.push_back(static_cast<uint64_t>(text) << 32 | static_cast<uint64_t>(i));
  kernels::Rows rows;
  rows.rows = rows.padded = tokens;
  rows.row_keys = keys.data();
  const auto floats = [&](int64_t n, float value) { return at::full({n}, value, at::kFloat); };
  at::Tensor ones = floats(tokens * hidden, 1), zeros = floats(tokens * hidden, 0), sum = zeros.clone(),
             y = zeros.clone();
  kernels::ResidualNormForward<float> args{rows,
                                           hidden,
                                           ones.data_ptr<float>(),
                                           zeros.data_ptr<float>(),
                                           zeros.data_ptr<float>(),
                                           ones.data_ptr<float>(),
                                           zeros.data_ptr<float>(),
                                           1.0f,
                                           dropout,
                                           sum.data_ptr<float>(),
                                           floats(2 * tokens, 0).data_ptr<float>(),
                                           y.data_ptr<float>(),
                                           nullptr};
  at::Tensor stats = floats(2 * tokens, 0);
  args.stats = stats.data_ptr<float>();
  kernels::table().fp32.residual_norm_forward(args);
  return sum.view({tokens, hidden}).to(at::kDouble);
}

/// What the kernel keeps of attention's probabilities [heads × tokens × tokens], times the scale: with zero queries
/// and keys every probability is 1/tokens, and values that are unit vectors show them one by one.
inline at::Tensor attention_mask(const kernels::Dropout& dropout, int32_t text, int64_t tokens, int64_t heads,
                                 int64_t head_size) {
  std::vector<uint64_t> keys;
  for (int64_t i = 0; i < tokens; ++i) keys.push_back(static_cast<uint64_t>(text) << 32 | static_cast<uint64_t>(i));
  const std::vector<int32_t> starts{0, static_cast<int32_t>(tokens)};
  kernels::Rows rows;
  rows.rows = rows.padded = tokens;
  rows.texts = 1;
  rows.starts = starts.data();
  rows.row_keys = keys.data();
  const int64_t hidden = heads * head_size;
  at::Tensor mask = at::zeros({heads, tokens, tokens}, at::kDouble);
  for (int64_t first = 0; first < tokens; first += head_size) {
    const int64_t shown = std::min(head_size, tokens - first);
    at::Tensor qkv = at::zeros({tokens, 3, heads, head_size}, at::kFloat), bias = at::zeros({3 * hidden}, at::kFloat);
    for (int64_t j = 0; j < shown; ++j) qkv.select(0, first + j).select(0, 2).select(1, j).fill_(1.0);
    at::Tensor out = at::zeros({tokens, heads, head_size}, at::kFloat);
    const int64_t stride = kernels::attention_scratch(tokens, head_size);
    at::Tensor scratch = at::empty({64 * stride}, at::kFloat);
    kernels::table().fp32.attention_forward({rows, heads, head_size, qkv.data_ptr<float>(), bias.data_ptr<float>(),
                                             dropout, out.data_ptr<float>(), nullptr, scratch.data_ptr<float>(),
                                             stride});
    mask.narrow(2, first, shown) = out.permute({1, 0, 2}).narrow(2, 0, shown).to(at::kDouble) * tokens;
  }
  return mask;
}

class Forward {
 public:
  Forward(const ModelSpec& spec, std::map<std::string, at::Tensor> parameters)
      : spec_(spec), p_(std::move(parameters)) {}

  /// Hidden states of one text [tokens × hidden], after all layers or the first `layers`.
  at::Tensor hidden_states(const int32_t* ids, int64_t tokens, int32_t text, const DropoutPlan& plan,
                           int64_t layers = -1) const {
    const EncoderSpec& e = spec_.encoder;
    const at::Tensor id = at::from_blob(const_cast<int32_t*>(ids), {tokens}, at::kInt).to(at::kLong);
    const Architecture::Names& n = e.architecture->names;
    at::Tensor x = at::embedding(p(n.words + ".weight"), id, e.pad_id);
    if (e.architecture->has_position_table())
      x = x + at::embedding(p(n.positions + ".weight"), positions_of(ids, tokens), counts_padding() ? e.pad_id : -1);
    if (e.type_vocab_size > 0) x = x + p(n.types + ".weight").select(0, 0);
    if (e.architecture->scales_words) x = x * std::sqrt(static_cast<double>(e.hidden_size));
    if (!n.embedding_norm.empty())
      x = drop(norm(x, n.embedding_norm, NormKind::kLayer), plan, 0, DropoutPlan::kEmbedding, text);
    if (e.embedding_size > 0) x = linear(x, n.projection);
    for (int64_t i = 0; i < (layers < 0 ? e.layers : layers); ++i) {
      const std::string l = e.architecture->shares_layers ? n.layer : n.layer + std::to_string(i) + ".";
      const bool before = e.architecture->norms_before();
      const bool normed = before && (i > 0 || e.architecture->first_attention_norm);
      const auto heads = [&](const at::Tensor& y, const std::string& of_heads = "") {
        const at::Tensor each = y.reshape({tokens, -1, e.head_size()}).transpose(0, 1);
        const at::Tensor normed = of_heads.empty() ? each : norm(each, l + of_heads);
        return at::repeat_interleave(normed, e.heads / normed.size(0), 0);
      };
      const auto qkv = parts(normed ? norm(x, l + n.attention_norm) : x, l, {n.query, n.key, n.value});
      const LayerAttention attention = e.attention_of(i);
      const at::Tensor q = turned(heads(qkv[0], n.query_norm), attention.rotary) * e.query_scale,
                       k = turned(heads(qkv[1], n.key_norm), attention.rotary), v = heads(qkv[2]);
      at::Tensor scores = at::matmul(q, k.transpose(1, 2)) / std::sqrt(static_cast<double>(e.head_size()));
      scores = scores.masked_fill(unseen(attention.reach, tokens), -INFINITY);
      if (!n.relative_bias.empty()) scores = scores + relative_bias(p(n.relative_bias + ".weight"), tokens);
      at::Tensor probabilities = at::softmax(scores, -1);
      const kernels::Dropout d = plan.at(i, DropoutPlan::kAttention);
      if (d.on()) probabilities = probabilities * attention_mask(d, text, tokens, e.heads, e.head_size());
      const at::Tensor context = at::matmul(probabilities, v).transpose(0, 1).reshape({tokens, e.attention_width()});
      const auto behind = [&](const at::Tensor& y, const std::string& name) {
        return e.architecture->norms_around() ? norm(y, l + name) : y;
      };
      x = x + behind(drop(linear(context, l + n.attention_out), plan, i, DropoutPlan::kAttentionOut, text),
                     n.attention_branch_norm);
      if (!before) x = norm(x, l + n.attention_norm);
      const at::Tensor in = before ? norm(x, l + n.output_norm) : x;
      at::Tensor inner;
      if (!e.architecture->gated()) {
        inner = activated(linear(in, l + n.up));
      } else {
        // Of one tensor with both the order is the architecture's; of two the gate is the second here.
        const auto both = parts(in, l, {n.up, n.gate});
        const bool first = n.gate.empty() && e.architecture->gate == Architecture::Gate::kFirst;
        inner = drop(activated(both[first ? 0 : 1]) * both[first ? 1 : 0], plan, i, DropoutPlan::kGated, text);
      }
      x = x + behind(drop(linear(inner, l + n.down), plan, i, DropoutPlan::kOutput, text), n.output_branch_norm);
      if (!before) x = norm(x, l + n.output_norm);
    }
    if (!n.final_norm.empty() && (layers < 0 || layers == e.layers)) x = norm(x, n.final_norm);
    return x;
  }

  at::Tensor activated(const at::Tensor& x) const {
    switch (spec_.encoder.hidden_activation) {
      case HiddenActivation::kRelu: return at::relu(x);
      case HiddenActivation::kGelu: return at::gelu(x);
      case HiddenActivation::kGeluTanh: return at::gelu(x, "tanh");
      case HiddenActivation::kSilu: return at::silu(x);
    }
    return x;
  }

  /// What several products of x give; where only the first has a name, its tensor is all of them.
  std::vector<at::Tensor> parts(const at::Tensor& x, const std::string& layer,
                                const std::vector<std::string>& names) const {
    if (names[1].empty()) return at::chunk(linear(x, layer + names[0]), static_cast<int64_t>(names.size()), 1);
    std::vector<at::Tensor> all;
    for (const std::string& name : names) all.push_back(linear(x, layer + name));
    return all;
  }

  /// Of [heads × tokens × size]: pairs as complex numbers, times e^(i·angle).
  static at::Tensor turned(const at::Tensor& x, const Rotary& rotary) {
    if (!rotary.on()) return x;
    const int64_t half = x.size(2) / 2;
    const at::Tensor exponent = at::arange(half, at::kDouble) / static_cast<double>(half);
    const at::Tensor frequency = at::exp(exponent * -std::log(rotary.theta)) / rotary.divisor;
    const at::Tensor angle = at::outer(at::arange(x.size(1), at::kDouble), frequency);
    const at::Tensor numbers = at::complex(x.narrow(2, 0, half), x.narrow(2, half, half));
    const at::Tensor result = numbers * at::polar(at::ones_like(angle), angle);
    return at::cat({at::real(result), at::imag(result)}, 2);
  }

  /// [tokens × tokens]: keys that a query does not see.
  static at::Tensor unseen(const Reach& reach, int64_t tokens) {
    const at::Tensor token = at::arange(tokens, at::kLong);
    const at::Tensor distance = token.unsqueeze(0) - token.unsqueeze(1);
    return distance.lt(-reach.before).logical_or(distance.gt(reach.after));
  }

  /// As transformers has them: padding_idx + cumsum(id ≠ padding_idx), and padding_idx itself where it is equal.
  at::Tensor positions_of(const int32_t* ids, int64_t tokens) const {
    if (!counts_padding()) return at::arange(tokens, at::kLong);
    const at::Tensor id = at::from_blob(const_cast<int32_t*>(ids), {tokens}, at::kInt).to(at::kLong);
    const at::Tensor counts = at::ne(id, spec_.encoder.pad_id).to(at::kLong);
    return at::cumsum(counts, 0) * counts + spec_.encoder.pad_id;
  }

  bool counts_padding() const { return spec_.encoder.architecture->positions == Architecture::Positions::kAfterPad; }

  /// T5's bias as transformers computes it [heads × queries × keys].
  static at::Tensor relative_bias(const at::Tensor& table, int64_t tokens) {
    const at::Tensor at_token = at::arange(tokens, at::kLong);
    const at::Tensor n = at_token.unsqueeze(1) - at_token.unsqueeze(0), d = at::abs(n);
    const at::Tensor far = 8 + (at::log(d.to(at::kFloat) / 8) / std::log(128 / 8) * 8).to(at::kLong);
    const at::Tensor bucket = at::lt(n, 0).to(at::kLong) * 16 + at::where(at::lt(d, 8), d, far.clamp_max(15));
    return at::embedding(table, bucket).permute({2, 0, 1});
  }

  at::Tensor embedding(const at::Tensor& y) const {
    at::Tensor x;
    for (size_t i = 0; i < spec_.head.size(); ++i) {
      if (const auto* pooling = std::get_if<PoolingSpec>(&spec_.head[i])) {
        std::vector<at::Tensor> parts;
        for (const PoolingMode mode : pooling->modes) {
          if (mode == PoolingMode::kCls) parts.push_back(y.select(0, 0));
          if (mode == PoolingMode::kMax) parts.push_back(std::get<0>(y.max(0)));
          if (mode == PoolingMode::kMean) parts.push_back(y.mean(0));
          if (mode == PoolingMode::kLastToken) parts.push_back(y.select(0, -1));
          if (mode == PoolingMode::kWeightedMean) {
            const at::Tensor weights = at::arange(1, y.size(0) + 1, y.options()).unsqueeze(1);
            parts.push_back((y * weights).sum(0) / weights.sum());
          }
          if (mode == PoolingMode::kMeanSqrtLen) parts.push_back(y.sum(0) / std::sqrt(static_cast<double>(y.size(0))));
        }
        x = at::cat(parts);
      } else if (const auto* dense = std::get_if<DenseSpec>(&spec_.head[i])) {
        const std::string name = "head." + std::to_string(i) + ".linear";
        const at::Tensor in = x;
        x = at::matmul(p(name + ".weight"), x);
        if (dense->bias) x = x + p(name + ".bias");
        if (dense->activation == DenseActivation::kTanh) x = at::tanh(x);
        if (dense->activation == DenseActivation::kRelu) x = at::relu(x);
        if (dense->activation == DenseActivation::kGelu) x = at::gelu(x);
        if (dense->activation == DenseActivation::kSigmoid) x = at::sigmoid(x);
        if (dense->activation == DenseActivation::kSilu) x = at::silu(x);
        if (dense->activation == DenseActivation::kLeakyRelu) x = at::leaky_relu(x);
        if (dense->activation == DenseActivation::kElu) x = at::elu(x);
        if (dense->activation == DenseActivation::kSelu) x = at::selu(x);
        if (dense->activation == DenseActivation::kSoftplus) x = at::softplus(x);
        if (dense->activation == DenseActivation::kMish) x = at::mish(x);
        if (dense->residual)
          x = x + (dense->in_features == dense->out_features
                       ? in
                       : at::matmul(p("head." + std::to_string(i) + ".residual.weight"), in));
      } else if (const auto* norm = std::get_if<LayerNormSpec>(&spec_.head[i])) {
        const std::string name = "head." + std::to_string(i) + ".norm";
        x = at::layer_norm(x, at::IntArrayRef{norm->dimension}, p(name + ".weight"), p(name + ".bias"), 1e-5);
      } else {
        x = x / at::norm(x).clamp_min(1e-12);
      }
    }
    return x;
  }

  /// Vectors of one column of the rows [rows × dimension].
  at::Tensor column(const Dataset& data, const std::vector<int32_t>& rows, size_t column, const DropoutPlan& plan,
                    int64_t layers = -1) const {
    std::vector<at::Tensor> vectors;
    for (const int32_t row : rows) {
      const int32_t text = data.columns(row)[column];
      vectors.push_back(
          embedding(hidden_states(data.ids() + data.offsets()[text], data.length(text), text, plan, layers)));
    }
    return at::stack(vectors);
  }

  /// Cosine MSE of the rows.
  at::Tensor loss(const Dataset& data, const std::vector<int32_t>& rows, const DropoutPlan& plan) const {
    const at::Tensor cosines = at::cosine_similarity(column(data, rows, 0, plan), column(data, rows, 1, plan), 1, 1e-8);
    std::vector<double> scores;
    for (const int32_t row : rows) scores.push_back(*data.labels(row));
    return (cosines - at::tensor(scores, at::kDouble)).pow(2).mean();
  }

 private:
  at::Tensor p(const std::string& name) const { return p_.at(name); }
  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    return at::linear(x, p(name + ".weight"), bias(name));
  }
  std::optional<at::Tensor> bias(const std::string& name) const {
    const auto found = p_.find(name + ".bias");
    return found == p_.end() ? std::nullopt : std::optional(found->second);
  }
  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return norm(x, name, spec_.encoder.architecture->norm_kind);
  }
  at::Tensor norm(const at::Tensor& x, const std::string& name, NormKind kind) const {
    const EncoderSpec& e = spec_.encoder;
    if (kind == NormKind::kLayer)
      return at::layer_norm(x, {x.size(-1)}, p(name + ".weight"), bias(name), e.layer_norm_eps);
    const at::Tensor weight = p(name + ".weight");
    return x * at::rsqrt(x.pow(2).mean(-1, true) + e.layer_norm_eps) *
           (e.architecture->norms_add_one ? weight + 1 : weight);
  }
  at::Tensor drop(const at::Tensor& x, const DropoutPlan& plan, int64_t layer, DropoutPlan::Site site,
                  int32_t text) const {
    const kernels::Dropout d = plan.at(layer, site);
    return d.on() ? x * hidden_mask(d, text, x.size(0), x.size(1)) : x;
  }

  ModelSpec spec_;
  std::map<std::string, at::Tensor> p_;
};

}  // namespace vectune::oracle
