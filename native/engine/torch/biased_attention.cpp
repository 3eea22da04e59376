#include "torch/biased_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/native_dropout.h>
#include <ATen/ops/native_dropout_backward.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "model/relative_buckets.h"

namespace vectune::device {

namespace {

/// A group's scores of one head are at most so many, but for one long text; and no text is padded by more than a third.
constexpr int64_t kScores = 1 << 20;

/// From pinned memory, which the host's caching allocator keeps from being used again before the copy is done.
at::Tensor sent(const Place& place, const std::vector<int64_t>& values) {
  const at::Tensor here = at::empty({static_cast<int64_t>(values.size())},
                                    at::TensorOptions().dtype(at::kLong).pinned_memory(place.cuda()));
  std::copy(values.begin(), values.end(), here.mutable_data_ptr<int64_t>());
  return place.cuda() ? here.to(place.torch(), /*non_blocking=*/true) : here;
}

}  // namespace

void BiasedAttention::pack(const Place& place, const DeviceBatch& batch, const at::Tensor& relative) {
  rows_ = batch.rows;
  groups_.clear();
  const auto& starts = batch.host_starts;
  const auto length_of = [&](size_t text) { return int64_t{starts[text + 1]} - starts[text]; };
  std::vector<size_t> texts(starts.size() - 1);
  std::iota(texts.begin(), texts.end(), size_t{0});
  std::stable_sort(texts.begin(), texts.end(), [&](size_t a, size_t b) { return length_of(a) > length_of(b); });
  for (size_t from = 0; from < texts.size();) {
    const int64_t length = length_of(texts[from]);
    size_t to = from + 1;
    while (to < texts.size() && 4 * length_of(texts[to]) >= 3 * length &&
           static_cast<int64_t>(to + 1 - from) * length * length <= kScores)
      ++to;
    Group group{static_cast<int64_t>(to - from), length, {}, {}, {}, {}};
    std::vector<int64_t> padded, rows, places;
    for (size_t i = from; i < to; ++i) {
      const int64_t own = length_of(texts[i]);
      for (int64_t token = 0; token < length; ++token) {
        const int64_t row = starts[texts[i]] + std::min(token, own - 1);
        if (token < own) {
          rows.push_back(row);
          places.push_back(static_cast<int64_t>(padded.size()));
        }
        padded.push_back(row);
      }
    }
    group.padded = sent(place, padded);
    group.rows = sent(place, rows);
    if (rows.size() < padded.size()) {
      group.places = sent(place, places);
      at::Tensor is_past = at::empty({group.texts * length}, group.rows.options().dtype(at::kBool)).fill_(true);
      group.is_past = is_past.index_fill_(0, group.places, false).view({group.texts, length});
    }
    groups_.push_back(std::move(group));
    from = to;
  }

  const int64_t longest = length_of(texts.front());
  std::vector<int64_t> by_distance;
  for (int64_t d = 1 - longest; d < longest; ++d) by_distance.push_back(relative_bucket(d));
  const at::Tensor position = at::arange(longest, at::TensorOptions().dtype(at::kLong).device(place.torch()));
  const at::Tensor distance = position.unsqueeze(0) - position.unsqueeze(1) + (longest - 1);
  buckets_ = at::index_select(sent(place, by_distance), 0, distance.view({-1})).view({longest, longest});
  bias_ = at::index_select(relative.to(at::kFloat).t(), 1, buckets_.view({-1})).view({heads_, longest, longest});
}

/// [parts × texts × heads × length × size] of rows [parts·heads·size].
at::Tensor BiasedAttention::gathered(const Group& group, const at::Tensor& x, int64_t parts) const {
  return at::index_select(x, 0, group.padded)
      .view({group.texts, group.length, parts, heads_, size_})
      .permute({2, 0, 3, 1, 4})
      .to(at::kFloat);
}

/// [texts × heads × length × size] to the texts' rows.
void BiasedAttention::scatter(const Group& group, const at::Tensor& from, at::Tensor to) const {
  at::Tensor flat = from.transpose(1, 2).reshape({group.texts * group.length, heads_ * size_});
  if (group.places.defined()) flat = at::index_select(flat, 0, group.places);
  to.index_copy_(0, group.rows, flat.to(to.scalar_type()));
}

at::Tensor BiasedAttention::forward(const at::Tensor& qkv, double dropout, Saved* saved) const {
  const double scale = 1.0 / std::sqrt(static_cast<double>(size_));
  at::Tensor out = at::empty({rows_, heads_ * size_}, qkv.options());
  if (saved) *saved = {};
  for (const Group& group : groups_) {
    const at::Tensor x = gathered(group, qkv, 3);
    at::Tensor scores = at::matmul(x[0], x[1].transpose(-1, -2)).mul_(scale);
    scores.add_(bias_.narrow(1, 0, group.length).narrow(2, 0, group.length));
    if (group.is_past.defined())
      scores.masked_fill_(group.is_past.unsqueeze(1).unsqueeze(1), -std::numeric_limits<float>::infinity());
    at::Tensor probabilities = at::_softmax(scores, -1, false), mask;
    if (saved) saved->probabilities.push_back(probabilities);
    if (dropout > 0) std::tie(probabilities, mask) = at::native_dropout(probabilities, dropout, true);
    if (saved) saved->masks.push_back(mask);
    scatter(group, at::matmul(probabilities, x[2]), out);
  }
  return out;
}

at::Tensor BiasedAttention::backward(const at::Tensor& dout, const at::Tensor& qkv, double dropout, const Saved& saved,
                                     at::Tensor relative) const {
  const double scale = 1.0 / std::sqrt(static_cast<double>(size_)), kept = 1.0 / (1.0 - dropout);
  at::Tensor dqkv = at::empty({rows_, 3, heads_ * size_}, qkv.options());
  at::Tensor dbias = relative.defined() ? at::zeros_like(bias_) : at::Tensor();
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    const at::Tensor x = gathered(group, qkv, 3);
    at::Tensor d = gathered(group, dout, 1)[0];
    // Rows that are nobody's stand for a text's last one, and have no gradient of their own.
    if (group.is_past.defined()) d = d.masked_fill(group.is_past.unsqueeze(1).unsqueeze(-1), 0);
    const at::Tensor &probabilities = saved.probabilities[g], &mask = saved.masks[g];
    const at::Tensor dropped = mask.defined() ? at::native_dropout_backward(probabilities, mask, kept) : probabilities;
    at::Tensor dp = at::matmul(d, x[2].transpose(-1, -2));
    if (mask.defined()) dp = at::native_dropout_backward(dp, mask, kept);
    at::Tensor ds = at::_softmax_backward_data(dp, probabilities, -1, at::kFloat);
    if (dbias.defined()) dbias.narrow(1, 0, group.length).narrow(2, 0, group.length).add_(at::sum(ds, {0}));
    ds.mul_(scale);
    scatter(group, at::matmul(ds, x[1]), dqkv.select(1, 0));
    scatter(group, at::matmul(ds.transpose(-1, -2), x[0]), dqkv.select(1, 1));
    scatter(group, at::matmul(dropped.transpose(-1, -2), d), dqkv.select(1, 2));
  }
  if (dbias.defined()) relative.index_add_(0, buckets_.view({-1}), dbias.view({heads_, -1}).t());
  return dqkv.view({rows_, 3 * heads_ * size_});
}

}  // namespace vectune::device
