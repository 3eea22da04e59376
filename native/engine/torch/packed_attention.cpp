#include "torch/packed_attention.h"

#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/native_dropout.h>
#include <ATen/ops/native_dropout_backward.h>
#include <ATen/ops/ones.h>

#include <cmath>
#include <limits>

#include "torch/operator_call.h"

namespace vectune::device {

PackedAttention::Kernel PackedAttention::choose(const Place& place, const Gpu& gpu, at::ScalarType type,
                                                int64_t head_size) {
  if (!place.cuda()) return Kernel::kPlain;
  const bool half = type != at::kFloat;
  if (half && gpu.has_bf16() && head_size % 8 == 0 && head_size <= 256) return Kernel::kFlash;
  return head_size % (half ? 8 : 4) == 0 ? Kernel::kEfficient : Kernel::kPlain;
}

PackedAttention::Heads PackedAttention::heads_of(const at::Tensor& qkv, const DeviceBatch& batch) const {
  const at::Tensor all = qkv.view({batch.rows, heads_ + 2 * key_heads_, size_});
  return {all.narrow(1, 0, heads_), all.narrow(1, heads_, key_heads_), all.narrow(1, heads_ + key_heads_, key_heads_)};
}

namespace {

/// Of flash attention, which takes −1 for all.
int64_t window(int64_t keys, const DeviceBatch& batch) { return keys >= batch.longest - 1 ? -1 : keys; }

/// Of memory-efficient attention: 1 is the lower triangle from the first query and key on.
int64_t mask_type(const Reach& reach) { return reach == PackedAttention::kCausal ? 1 : 0; }

}  // namespace

at::Tensor PackedAttention::forward(const at::Tensor& qkv, const DeviceBatch& batch, double dropout, Saved* saved,
                                    const Reach& reach) const {
  if (kernel_ == Kernel::kPlain) return plain_forward(qkv, batch, dropout, saved, reach == kCausal);
  const auto [q, k, v] = heads_of(qkv, batch);
  std::vector<c10::IValue> results;
  if (kernel_ == Kernel::kFlash) {
    static const auto forward = find_operator("aten::_flash_attention_forward");
    results = OperatorCall(forward)
                  .set("query", q)
                  .set("key", k)
                  .set("value", v)
                  .set("cum_seq_q", batch.starts)
                  .set("cum_seq_k", batch.starts)
                  .set("max_q", batch.longest)
                  .set("max_k", batch.longest)
                  .set("dropout_p", dropout)
                  .set("is_causal", false)
                  .set("return_debug_mask", false)
                  .set("window_size_left", window(reach.before, batch))
                  .set("window_size_right", window(reach.after, batch))
                  .run();
  } else {
    static const auto forward = find_operator("aten::_efficient_attention_forward");
    results = OperatorCall(forward)
                  .set("query", q.unsqueeze(0))
                  .set("key", k.unsqueeze(0))
                  .set("value", v.unsqueeze(0))
                  .set("cu_seqlens_q", batch.starts)
                  .set("cu_seqlens_k", batch.starts)
                  .set("max_seqlen_q", batch.longest)
                  .set("max_seqlen_k", batch.longest)
                  .set("dropout_p", dropout)
                  .set("custom_mask_type", mask_type(reach))
                  .set("compute_log_sumexp", saved != nullptr)
                  .run();
  }
  const at::Tensor out = results[0].toTensor();
  if (saved) *saved = {out, results[1].toTensor(), results[2].toTensor(), results[3].toTensor(), {}, {}};
  return out.reshape({batch.rows, heads_ * size_});
}

at::Tensor PackedAttention::backward(const at::Tensor& dout, const at::Tensor& qkv, const DeviceBatch& batch,
                                     double dropout, const Saved& saved, const Reach& reach) const {
  if (kernel_ == Kernel::kPlain) return plain_backward(dout, qkv, batch, dropout, saved);
  const auto [q, k, v] = heads_of(qkv, batch);
  const at::Tensor d = dout.view({batch.rows, heads_, size_});
  std::vector<c10::IValue> results;
  if (kernel_ == Kernel::kFlash) {
    static const auto backward = find_operator("aten::_flash_attention_backward");
    results = OperatorCall(backward)
                  .set("grad_out", d)
                  .set("query", q)
                  .set("key", k)
                  .set("value", v)
                  .set("out", saved.out)
                  .set("logsumexp", saved.logsumexp)
                  .set("cum_seq_q", batch.starts)
                  .set("cum_seq_k", batch.starts)
                  .set("max_q", batch.longest)
                  .set("max_k", batch.longest)
                  .set("dropout_p", dropout)
                  .set("is_causal", false)
                  .set("rng_state", saved.seed)
                  .set("unused", saved.offset)
                  .set("window_size_left", window(reach.before, batch))
                  .set("window_size_right", window(reach.after, batch))
                  .run();
  } else {
    static const auto backward = find_operator("aten::_efficient_attention_backward");
    results = OperatorCall(backward)
                  .set("grad_out_", d.unsqueeze(0))
                  .set("query", q.unsqueeze(0))
                  .set("key", k.unsqueeze(0))
                  .set("value", v.unsqueeze(0))
                  .set("bias", c10::IValue())
                  .set("out", saved.out)
                  .set("cu_seqlens_q", batch.starts)
                  .set("cu_seqlens_k", batch.starts)
                  .set("max_seqlen_q", batch.longest)
                  .set("max_seqlen_k", batch.longest)
                  .set("logsumexp", saved.logsumexp)
                  .set("dropout_p", dropout)
                  .set("philox_seed", saved.seed)
                  .set("philox_offset", saved.offset)
                  .set("custom_mask_type", mask_type(reach))
                  .set("bias_requires_grad", false)
                  .run();
  }
  std::vector<at::Tensor> parts;
  for (size_t i = 0; i < 3; ++i)
    parts.push_back(results[i].toTensor().reshape({batch.rows, i == 0 ? heads_ : key_heads_, size_}));
  return at::cat(parts, 1).view({batch.rows, (heads_ + 2 * key_heads_) * size_});
}

at::Tensor PackedAttention::plain_forward(const at::Tensor& qkv, const DeviceBatch& batch, double dropout, Saved* saved,
                                          bool causal) const {
  const double scale = 1.0 / std::sqrt(static_cast<double>(size_));
  at::Tensor out = at::empty({batch.rows, heads_, size_}, qkv.options());
  for (size_t t = 0; t + 1 < batch.host_starts.size(); ++t) {
    const int64_t begin = batch.host_starts[t], length = batch.host_starts[t + 1] - begin;
    // [3 × heads × tokens × size], softmax and sums in fp32 as the packed kernels have them
    const at::Tensor text =
        qkv.narrow(0, begin, length).view({length, 3, heads_, size_}).permute({1, 2, 0, 3}).to(at::kFloat);
    at::Tensor scores = at::matmul(text[0], text[1].transpose(1, 2)).mul_(scale);
    if (causal)
      scores.masked_fill_(at::ones({length, length}, scores.options().dtype(at::kBool)).triu_(1),
                          -std::numeric_limits<float>::infinity());
    at::Tensor probabilities = at::_softmax(scores, -1, false), mask;
    if (saved) saved->probabilities.push_back(probabilities);
    if (dropout > 0) std::tie(probabilities, mask) = at::native_dropout(probabilities, dropout, true);
    if (saved) saved->masks.push_back(mask);
    out.narrow(0, begin, length).copy_(at::matmul(probabilities, text[2]).transpose(0, 1));
  }
  return out.view({batch.rows, heads_ * size_});
}

at::Tensor PackedAttention::plain_backward(const at::Tensor& dout, const at::Tensor& qkv, const DeviceBatch& batch,
                                           double dropout, const Saved& saved) const {
  const double scale = 1.0 / std::sqrt(static_cast<double>(size_)), kept = 1.0 / (1.0 - dropout);
  at::Tensor dqkv = at::empty({batch.rows, 3, heads_, size_}, qkv.options());
  for (size_t t = 0; t + 1 < batch.host_starts.size(); ++t) {
    const int64_t begin = batch.host_starts[t], length = batch.host_starts[t + 1] - begin;
    const at::Tensor text =
        qkv.narrow(0, begin, length).view({length, 3, heads_, size_}).permute({1, 2, 0, 3}).to(at::kFloat);
    const at::Tensor d = dout.narrow(0, begin, length).view({length, heads_, size_}).transpose(0, 1).to(at::kFloat);
    const at::Tensor &probabilities = saved.probabilities[t], &mask = saved.masks[t];
    const at::Tensor dropped = mask.defined() ? at::native_dropout_backward(probabilities, mask, kept) : probabilities;
    at::Tensor dp = at::matmul(d, text[2].transpose(1, 2));
    if (mask.defined()) dp = at::native_dropout_backward(dp, mask, kept);
    const at::Tensor ds = at::_softmax_backward_data(dp, probabilities, -1, at::kFloat).mul_(scale);
    const at::Tensor to = dqkv.narrow(0, begin, length);
    to.select(1, 0).copy_(at::matmul(ds, text[1]).transpose(0, 1));
    to.select(1, 1).copy_(at::matmul(ds.transpose(1, 2), text[0]).transpose(0, 1));
    to.select(1, 2).copy_(at::matmul(dropped.transpose(1, 2), d).transpose(0, 1));
  }
  return dqkv.view({batch.rows, 3 * heads_ * size_});
}

}  // namespace vectune::device
