// LibTorch's packed attention: what its CUDA kernels require of their arguments is required here too, as it stands in
// aten/src/ATen/native/transformers/cuda (attention.cu, flash_attn/flash_api.cpp, mem_eff_attention). The sums are
// plain.
#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cmath>
#include <vector>

#include "emulated_gpu.h"

namespace vectune::emulated_gpu {

namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

/// q, k, v [tokens × heads × size] with the first token of each text; k and v may have fewer heads, each for as many
/// neighbouring ones of q.
struct Packed {
  Tensor q, k, v;
  std::vector<int32_t> starts;
  double scale;
  int64_t before, after;  // keys that a query sees of those on its left and right; negative: all

  Packed(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& cu, int64_t longest,
         std::optional<double> s, int64_t left = -1, int64_t right = -1)
      : before(left), after(right) {
    check();
    for (const Tensor& t : {query, key, value}) {
      TORCH_CHECK(t.is_cuda() && t.dim() == 3 && t.stride(-1) == 1,
                  "query, key and value must be on the GPU, with their last dimension contiguous");
      TORCH_CHECK(t.scalar_type() == query.scalar_type(), "query, key and value must have one type");
    }
    TORCH_CHECK(cu.is_cuda() && cu.scalar_type() == at::kInt && cu.dim() == 1 && cu.is_contiguous(),
                "cu_seqlens must be contiguous int32 on the GPU");
    TORCH_CHECK(key.sizes() == value.sizes() && query.size(1) % key.size(1) == 0,
                "the heads of keys and values must divide those of queries");
    key_heads = key.size(1);
    q = on_cpu(query), k = spread(on_cpu(key)), v = spread(on_cpu(value));
    const Tensor host = on_cpu(cu);
    starts.assign(host.const_data_ptr<int32_t>(), host.const_data_ptr<int32_t>() + host.numel());
    TORCH_CHECK(starts.front() == 0 && starts.back() == query.size(0), "cu_seqlens must go from 0 to the tokens");
    for (size_t i = 1; i < starts.size(); ++i)
      TORCH_CHECK(starts[i] >= starts[i - 1] && starts[i] - starts[i - 1] <= longest,
                  "a text is longer than max_seqlen");
    scale = s.value_or(1.0 / std::sqrt(static_cast<double>(query.size(2))));
  }

  int64_t key_heads = 0;
  Tensor spread(const Tensor& t) const { return t.repeat_interleave(q.size(1) / key_heads, 1); }
  /// Of a gradient with all heads: that of the heads that keys and values have.
  Tensor gathered(const Tensor& t) const {
    return t.view({t.size(0), key_heads, -1, t.size(2)}).sum(2).to(t.scalar_type());
  }

  size_t texts() const { return starts.size() - 1; }
  /// Rows of a text [heads × tokens × size], fp32.
  Tensor of(const Tensor& t, size_t text) const {
    return t.narrow(0, starts[text], starts[text + 1] - starts[text]).transpose(0, 1).to(at::kFloat);
  }
  Tensor scores(size_t text) const {
    Tensor all = at::matmul(of(q, text), of(k, text).transpose(1, 2)).mul(scale);
    const Tensor token = at::arange(starts[text + 1] - starts[text], at::kLong);
    const Tensor distance = token.unsqueeze(0) - token.unsqueeze(1);  // key − query
    if (before >= 0) all = all.masked_fill(distance < -before, -INFINITY);
    return after >= 0 ? all.masked_fill(distance > after, -INFINITY) : all;
  }
  Tensor mask(size_t text, double dropout, uint64_t seed) const {
    const int64_t tokens = starts[text + 1] - starts[text];
    return dropout_scale({q.size(1), tokens, tokens}, dropout, seed + (uint64_t{text} << 40));
  }
};

/// out [tokens × heads × size]; `lse` has the log of each row's sum, heads first.
Tensor attend(const Packed& p, double dropout, uint64_t seed, const std::function<void(size_t, const Tensor&)>& lse) {
  const Tensor out = at::empty(p.q.sizes(), p.q.options());
  for (size_t text = 0; text < p.texts(); ++text) {
    if (p.starts[text] == p.starts[text + 1]) continue;
    const Tensor scores = p.scores(text);
    lse(text, at::logsumexp(scores, {-1}));
    Tensor probabilities = at::_softmax(scores, -1, false);
    if (dropout > 0) probabilities = probabilities.mul(p.mask(text, dropout, seed));
    out.narrow(0, p.starts[text], p.starts[text + 1] - p.starts[text])
        .copy_(at::matmul(probabilities, p.of(p.v, text)).transpose(0, 1));
  }
  return out;
}

/// `lse` gives back what `attend` told, from which the probabilities are computed again.
std::tuple<Tensor, Tensor, Tensor> attend_backward(const Packed& p, const Tensor& dout, double dropout, uint64_t seed,
                                                   const std::function<Tensor(size_t)>& lse) {
  const Tensor dq = at::empty(p.q.sizes(), p.q.options()), dk = at::empty_like(dq), dv = at::empty_like(dq);
  for (size_t text = 0; text < p.texts(); ++text) {
    const int64_t begin = p.starts[text], tokens = p.starts[text + 1] - begin;
    if (tokens == 0) continue;
    const Tensor probabilities = p.scores(text).sub(lse(text).unsqueeze(-1)).exp(), d = p.of(dout, text);
    const Tensor mask = dropout > 0 ? p.mask(text, dropout, seed) : at::ones({}, at::kFloat);
    const Tensor dp = at::matmul(d, p.of(p.v, text).transpose(1, 2)).mul(mask);
    const Tensor ds = probabilities.mul(dp.sub(dp.mul(probabilities).sum(-1, true))).mul(p.scale);
    const auto put = [&](const Tensor& to, const Tensor& rows) {
      to.narrow(0, begin, tokens).copy_(rows.transpose(0, 1));
    };
    put(dq, at::matmul(ds, p.of(p.k, text)));
    put(dk, at::matmul(ds.transpose(1, 2), p.of(p.q, text)));
    put(dv, at::matmul(probabilities.mul(mask).transpose(1, 2), d));
  }
  return {on_gpu(dq), on_gpu(p.gathered(dk)), on_gpu(p.gathered(dv))};
}

// --- flash: half types; lse [heads × tokens]; rng_state [2]

void check_flash(const Tensor& q, bool causal) {
  TORCH_CHECK(q.scalar_type() == at::kHalf || q.scalar_type() == at::kBFloat16,
              "FlashAttention only supports fp16 and bf16");
  TORCH_CHECK(q.size(2) % 8 == 0 && q.size(2) <= 256, "head_size must be a multiple of 8, at most 256");
  TORCH_CHECK(!causal, "what is seen is said by the window");
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> flash_forward(
    const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& cu_q, const OptionalTensor& cu_k,
    int64_t max_q, int64_t max_k, double dropout, bool causal, bool debug, std::optional<double> scale,
    std::optional<int64_t> left, std::optional<int64_t> right, const OptionalTensor&, const OptionalTensor&) {
  check_flash(q, causal);
  TORCH_CHECK(cu_q && cu_k && max_q == max_k && !debug, "only packed texts that see themselves");
  const Packed p(q, k, v, *cu_q, max_q, scale, left.value_or(-1), right.value_or(-1));
  const uint64_t seed = dropout > 0 ? draw() >> 2 : 0;
  const Tensor lse = at::zeros({q.size(1), q.size(0)}, at::kFloat);
  const Tensor out = attend(p, dropout, seed, [&](size_t text, const Tensor& rows) {
    lse.narrow(1, p.starts[text], rows.size(1)).copy_(rows);
  });
  const Tensor state = at::full({2}, static_cast<int64_t>(seed), at::kLong).view(at::kUInt64);
  return {on_gpu(out), on_gpu(lse), on_gpu(state), on_gpu(at::empty({}, at::kUInt64)),
          on_gpu(at::empty({0}, q.scalar_type()))};
}

std::tuple<Tensor, Tensor, Tensor> flash_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                                                  const Tensor& out, const Tensor& lse, const Tensor& cu_q,
                                                  const Tensor&, int64_t max_q, int64_t, double dropout, bool causal,
                                                  const Tensor& state, const Tensor&, std::optional<double> scale,
                                                  std::optional<int64_t> left, std::optional<int64_t> right) {
  check_flash(q, causal);
  for (const Tensor& t : {dout, out})
    TORCH_CHECK(t.is_cuda() && t.sizes() == q.sizes() && t.scalar_type() == q.scalar_type(),
                "out and its gradient must be as query");
  TORCH_CHECK(state.is_cuda() && state.scalar_type() == at::kUInt64 && state.numel() == 2,
              "rng_state must be what the forward pass gave");
  TORCH_CHECK(lse.is_cuda() && lse.scalar_type() == at::kFloat, "logsumexp must be fp32");
  const Packed p(q, k, v, cu_q, max_q, scale, left.value_or(-1), right.value_or(-1));
  const Tensor host = on_cpu(lse);
  return attend_backward(
      p, on_cpu(dout), dropout, static_cast<uint64_t>(on_cpu(state).view(at::kLong)[0].item<int64_t>()),
      [&](size_t text) { return host.narrow(1, p.starts[text], p.starts[text + 1] - p.starts[text]); });
}

// --- memory-efficient: [1 × tokens × heads × size]; lse [texts × heads × longest, rounded up to 32]; seed and offset

std::tuple<Tensor, Tensor, Tensor, Tensor, c10::SymInt, c10::SymInt> efficient_forward(
    const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& bias, const OptionalTensor& cu_q,
    const OptionalTensor& cu_k, std::optional<int64_t> max_q, std::optional<int64_t> max_k, double dropout,
    int64_t mask_type, bool with_lse, std::optional<double> scale, const OptionalTensor&, std::optional<int64_t>) {
  TORCH_CHECK(q.dim() == 4 && q.size(0) == 1 && cu_q && cu_k && max_q && max_k,
              "packed texts have a batch of 1, cu_seqlens and max_seqlen");
  TORCH_CHECK(!bias.has_value() && (mask_type == 0 || mask_type == 1), "all tokens, or those before the query");
  TORCH_CHECK(q.size(3) % (q.scalar_type() == at::kFloat ? 4 : 8) == 0, "rows must be aligned");
  TORCH_CHECK(k.sizes() == q.sizes() && v.sizes() == q.sizes(), "there must be as many heads of keys as of queries");
  const Packed p(q[0], k[0], v[0], *cu_q, *max_q, scale, -1, mask_type == 1 ? 0 : -1);
  const int64_t longest = (*max_q + 31) / 32 * 32;
  const Tensor lse = at::full({static_cast<int64_t>(p.texts()), with_lse ? q.size(2) : 0, with_lse ? longest : 0},
                              INFINITY, at::kFloat);
  const uint64_t seed = dropout > 0 ? draw() >> 2 : 0;
  const Tensor out = attend(p, dropout, seed, [&](size_t text, const Tensor& rows) {
    if (with_lse) lse[static_cast<int64_t>(text)].narrow(1, 0, rows.size(1)).copy_(rows);
  });
  return {on_gpu(out.unsqueeze(0)),         on_gpu(lse), on_gpu(at::full({}, static_cast<int64_t>(seed), at::kLong)),
          on_gpu(at::zeros({}, at::kLong)), *max_q,      *max_k};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> efficient_backward(
    const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v, const OptionalTensor& bias,
    const Tensor& out, const OptionalTensor& cu_q, const OptionalTensor&, int64_t max_q, int64_t, const Tensor& lse,
    double dropout, const Tensor& seed, const Tensor& offset, int64_t mask_type, bool bias_gradient,
    std::optional<double> scale, std::optional<int64_t>, std::optional<int64_t>, bool) {
  TORCH_CHECK(dout.sizes() == q.sizes() && out.sizes() == q.sizes() && cu_q, "out and its gradient must be as query");
  TORCH_CHECK(!bias.has_value() && (mask_type == 0 || mask_type == 1) && !bias_gradient,
              "all tokens, or those before the query");
  TORCH_CHECK(seed.is_cuda() && offset.is_cuda(), "seed and offset must be what the forward pass gave");
  const Packed p(q[0], k[0], v[0], *cu_q, max_q, scale, -1, mask_type == 1 ? 0 : -1);
  TORCH_CHECK(lse.size(0) == static_cast<int64_t>(p.texts()) && lse.size(1) == q.size(2),
              "logsumexp must be what the forward pass gave");
  const Tensor host = on_cpu(lse);
  const auto [dq, dk, dv] = attend_backward(
      p, on_cpu(dout[0]), dropout, static_cast<uint64_t>(on_cpu(seed).item<int64_t>()),
      [&](size_t text) { return host[static_cast<int64_t>(text)].narrow(1, 0, p.starts[text + 1] - p.starts[text]); });
  return {dq.unsqueeze(0), dk.unsqueeze(0), dv.unsqueeze(0), Tensor()};
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("_flash_attention_forward", flash_forward);
  m.impl("_flash_attention_backward", flash_backward);
  m.impl("_efficient_attention_forward", efficient_forward);
  m.impl("_efficient_attention_backward", efficient_backward);
}

}  // namespace vectune::emulated_gpu
