#include "torch/local_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/native_dropout.h>
#include <ATen/ops/native_dropout_backward.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace vectune::device {

namespace {

/// Queries of a block are not fewer: small products are slow.
constexpr int64_t kLeastQueries = 32;

template <typename T>
at::Tensor filled(const Place& place, int64_t count, at::ScalarType type, const T& fill) {
  const at::Tensor here = at::empty({count}, at::TensorOptions().dtype(type).pinned_memory(place.cuda()));
  fill(here);
  // The host's caching allocator keeps a pinned buffer from being used again before the copy is done.
  return place.cuda() ? here.to(place.torch(), /*non_blocking=*/true) : here;
}

}  // namespace

void LocalAttention::pack(const Place& place, const DeviceBatch& batch) {
  const auto& starts = batch.host_starts;
  rows_ = batch.rows;
  queries_ = std::max(kLeastQueries, (std::max(reach_.before, reach_.after) + 31) / 32 * 32);
  keys_ = reach_.before + queries_ + reach_.after;
  blocks_ = 0;
  for (size_t t = 0; t + 1 < starts.size(); ++t) blocks_ += (starts[t + 1] - starts[t] + queries_ - 1) / queries_;
  const auto each_block = [&](const auto& work) {
    int64_t block = 0;
    for (size_t t = 0; t + 1 < starts.size(); ++t)
      for (int64_t from = 0, n = starts[t + 1] - starts[t]; from < n; from += queries_)
        work(block++, int64_t{starts[t]}, from, n);
  };
  query_rows_ = filled(place, blocks_ * queries_, at::kLong, [&](const at::Tensor& to) {
    auto* const rows = to.mutable_data_ptr<int64_t>();
    each_block([&](int64_t block, int64_t start, int64_t from, int64_t n) {
      for (int64_t i = 0; i < queries_; ++i) rows[block * queries_ + i] = start + std::min(from + i, n - 1);
    });
  });
  key_rows_ = filled(place, blocks_ * keys_, at::kLong, [&](const at::Tensor& to) {
    auto* const rows = to.mutable_data_ptr<int64_t>();
    each_block([&](int64_t block, int64_t start, int64_t from, int64_t n) {
      for (int64_t k = 0; k < keys_; ++k)
        rows[block * keys_ + k] = start + std::clamp<int64_t>(from - reach_.before + k, 0, n - 1);
    });
  });
  places_ = filled(place, rows_, at::kLong, [&](const at::Tensor& to) {
    auto* const places = to.mutable_data_ptr<int64_t>();
    each_block([&](int64_t block, int64_t start, int64_t from, int64_t n) {
      for (int64_t i = 0; i < queries_ && from + i < n; ++i) places[start + from + i] = block * queries_ + i;
    });
  });
  past_ = filled(place, blocks_ * queries_, at::kBool, [&](const at::Tensor& to) {
    auto* const past = to.mutable_data_ptr<bool>();
    each_block([&](int64_t block, int64_t, int64_t from, int64_t n) {
      for (int64_t i = 0; i < queries_; ++i) past[block * queries_ + i] = from + i >= n;
    });
  });
  hidden_ = filled(place, blocks_ * queries_ * keys_, at::kBool, [&](const at::Tensor& to) {
              auto* hidden = to.mutable_data_ptr<bool>();
              each_block([&](int64_t, int64_t, int64_t from, int64_t n) {
                for (int64_t i = 0; i < queries_; ++i)
                  for (int64_t k = 0; k < keys_; ++k) {
                    const int64_t query = std::min(from + i, n - 1), key = from - reach_.before + k;
                    *hidden++ = key < 0 || key >= n || key < query - reach_.before || key > query + reach_.after;
                  }
              });
            }).view({blocks_, 1, queries_, keys_});
}

/// [blocks × heads × each × size] of rows of x [rows × heads × size], fp32.
at::Tensor LocalAttention::blocks_of(const at::Tensor& x, const at::Tensor& rows, int64_t each) const {
  return at::index_select(x, 0, rows).view({blocks_, each, heads_, size_}).transpose(1, 2).to(at::kFloat);
}

at::Tensor LocalAttention::forward(const at::Tensor& qkv, double dropout, Saved* saved) const {
  const at::Tensor all = qkv.view({rows_, 3, heads_, size_});
  const at::Tensor q = blocks_of(all.select(1, 0), query_rows_, queries_),
                   k = blocks_of(all.select(1, 1), key_rows_, keys_), v = blocks_of(all.select(1, 2), key_rows_, keys_);
  at::Tensor scores = at::matmul(q, k.transpose(-1, -2)).mul_(1.0 / std::sqrt(static_cast<double>(size_)));
  scores.masked_fill_(hidden_, -std::numeric_limits<float>::infinity());
  at::Tensor probabilities = at::_softmax(scores, -1, false), mask;
  if (saved) saved->probabilities = probabilities;
  if (dropout > 0) std::tie(probabilities, mask) = at::native_dropout(probabilities, dropout, true);
  if (saved) saved->mask = mask;
  const at::Tensor out = at::matmul(probabilities, v).transpose(1, 2).reshape({blocks_ * queries_, heads_ * size_});
  return at::index_select(out, 0, places_).to(qkv.scalar_type());
}

at::Tensor LocalAttention::backward(const at::Tensor& dout, const at::Tensor& qkv, double dropout,
                                    const Saved& saved) const {
  const double scale = 1.0 / std::sqrt(static_cast<double>(size_)), kept = 1.0 / (1.0 - dropout);
  const at::Tensor all = qkv.view({rows_, 3, heads_, size_});
  const at::Tensor q = blocks_of(all.select(1, 0), query_rows_, queries_),
                   k = blocks_of(all.select(1, 1), key_rows_, keys_), v = blocks_of(all.select(1, 2), key_rows_, keys_);
  // Rows past a text's end stand for its last one, and have no gradient of their own.
  const at::Tensor d = blocks_of(dout.view({rows_, heads_, size_}), query_rows_, queries_)
                           .masked_fill(past_.view({blocks_, 1, queries_, 1}), 0);
  const at::Tensor &probabilities = saved.probabilities, &mask = saved.mask;
  const at::Tensor dropped = mask.defined() ? at::native_dropout_backward(probabilities, mask, kept) : probabilities;
  at::Tensor dp = at::matmul(d, v.transpose(-1, -2));
  if (mask.defined()) dp = at::native_dropout_backward(dp, mask, kept);
  const at::Tensor ds = at::_softmax_backward_data(dp, probabilities, -1, at::kFloat).mul_(scale);
  at::Tensor dqkv = at::zeros({rows_, 3, heads_, size_}, qkv.options().dtype(at::kFloat));
  const auto add = [&](int64_t part, const at::Tensor& rows, const at::Tensor& blocks) {
    dqkv.select(1, part).index_add_(0, rows, blocks.transpose(1, 2).reshape({-1, heads_, size_}));
  };
  add(0, query_rows_, at::matmul(ds, k));
  add(1, key_rows_, at::matmul(ds.transpose(-1, -2), q));
  add(2, key_rows_, at::matmul(dropped.transpose(-1, -2), d));
  return dqkv.view({rows_, 3 * heads_ * size_}).to(qkv.scalar_type());
}

}  // namespace vectune::device
