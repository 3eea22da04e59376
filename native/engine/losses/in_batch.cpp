#include "losses/in_batch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <optional>

#include "runtime/alone.h"

namespace vectune {

namespace {

constexpr int64_t kScoresAtOnce = int64_t{1} << 22;
constexpr int64_t kScoresAlone = int64_t{1} << 16;  // of so few the products are a millisecond or two

at::Tensor on_device(const std::vector<int64_t>& numbers, at::Device device) {
  at::Tensor host = at::empty({static_cast<int64_t>(numbers.size())}, at::TensorOptions().dtype(at::kLong));
  std::copy(numbers.begin(), numbers.end(), host.mutable_data_ptr<int64_t>());
  return host.to(device, /*non_blocking=*/true);
}

/// Positions in LossRows::places of queries, then positives, then all others, and the row of each document.
struct Order {
  explicit Order(const LossRows& rows) {
    for (int64_t row = 0; row < rows.count; ++row) positions.push_back(rows.offsets[static_cast<size_t>(row)]);
    for (int64_t row = 0; row < rows.count; ++row) {
      positions.push_back(rows.offsets[static_cast<size_t>(row)] + 1);
      owners.push_back(row);
    }
    for (int64_t row = 0; row < rows.count; ++row) {
      for (int64_t i = rows.offsets[static_cast<size_t>(row)] + 2; i < rows.offsets[static_cast<size_t>(row) + 1];
           ++i) {
        positions.push_back(i);
        owners.push_back(row);
      }
    }
  }

  std::vector<int64_t> positions, owners;
};

}  // namespace

InBatch::InBatch(const at::Tensor& vectors, const LossRows& rows, double normalise_eps)
    : rows_(rows.count), texts_(vectors.size(0)), normalised_(normalise_eps > 0) {
  const Order order(rows);
  owners_ = on_device(order.owners, vectors.device());
  places_ = at::index_select(rows.places, 0, on_device(order.positions, vectors.device()));
  all_ = at::index_select(vectors, 0, places_);
  if (normalised_) {
    units_ = Units::of(all_, normalise_eps);
    all_ = units_.value;
  }
  gradient_ = at::zeros_like(all_);
}

at::Tensor InBatch::gradient_of_vectors() const {
  return at::zeros({texts_, all_.size(1)}, all_.options())
      .index_add_(0, places_, normalised_ ? units_.backward(gradient_) : gradient_);
}

at::Tensor InBatch::cross_entropy(const std::vector<Direction>& directions, double scale, Partition partition) {
  int64_t candidates = 0;
  for (const Direction& direction : directions) candidates += direction.candidates.values.size(0);
  const int64_t chunk = std::max<int64_t>(1, kScoresAtOnce / candidates);
  std::optional<Alone> alone;
  if (rows_ * candidates <= kScoresAlone) alone.emplace();
  const double per_row = 1.0 / static_cast<double>(rows_);
  at::Tensor loss = at::zeros({}, all_.options().dtype(at::kDouble));
  for (int64_t first = 0; first < rows_; first += chunk) {
    const int64_t count = std::min(chunk, rows_ - first);
    std::vector<at::Tensor> scores;
    for (const Direction& d : directions) {
      scores.push_back(at::matmul(d.anchors.values.narrow(0, first, count), d.candidates.values.t()).mul_(scale));
      if (d.adjust) d.adjust(scores.back(), first);
    }
    const auto own = [&](at::Tensor& of) { return of.narrow(1, first, count).diagonal(); };
    const at::Tensor positive = own(scores.front()).clone();
    // log Σ e^s of each direction, or of all. A direction may have nothing but −∞; the first has the positive.
    std::vector<at::Tensor> log_sums;
    if (partition == Partition::kJoint) {
      at::Tensor most = at::amax(scores.front(), 1, true), sum;
      for (size_t k = 1; k < scores.size(); ++k) most = at::maximum(most, at::amax(scores[k], 1, true));
      for (const at::Tensor& s : scores) {
        const at::Tensor of_direction = at::sum(at::exp(s - most), at::IntArrayRef{1}, true);
        sum = sum.defined() ? sum + of_direction : of_direction;
      }
      log_sums.assign(scores.size(), most + at::log(sum));
    } else {
      for (const at::Tensor& s : scores) {
        const at::Tensor most = at::amax(s, 1, true);
        log_sums.push_back(most + at::log(at::sum(at::exp(s - most), at::IntArrayRef{1}, true)));
      }
    }
    const double share = partition == Partition::kJoint ? 1.0 : 1.0 / static_cast<double>(scores.size());
    loss -= at::sum(positive, at::kDouble);
    if (partition == Partition::kJoint) loss += at::sum(log_sums.front(), at::kDouble);
    else
      for (const at::Tensor& log_sum : log_sums) loss += at::sum(log_sum, at::kDouble) * share;
    // The positive's slope, its share less 1, is what all others' shares add up to: taken so it keeps its digits where
    // the positive has nearly all. In kPerDirection each direction's own, as they all have the positive.
    at::Tensor others;
    for (size_t k = 0; k < scores.size(); ++k) {
      at::Tensor& slope = scores[k].sub_(log_sums[k]).exp_().mul_(share);
      const bool has_positive = k == 0 || partition == Partition::kPerDirection;
      if (has_positive) own(slope).zero_();
      const at::Tensor sum = at::sum(slope, at::IntArrayRef{1});
      if (partition == Partition::kPerDirection) own(slope).sub_(sum);
      else others = others.defined() ? others + sum : sum;
    }
    if (partition == Partition::kJoint) own(scores.front()).sub_(others);
    for (size_t k = 0; k < scores.size(); ++k) {
      const Direction& d = directions[k];
      const at::Tensor slope = scores[k].mul_(scale * per_row);
      at::Tensor of_candidates = d.candidates.gradient, of_anchors = d.anchors.gradient.narrow(0, first, count);
      of_candidates.addmm_(slope.t(), d.anchors.values.narrow(0, first, count));
      of_anchors.addmm_(slope, d.candidates.values);
    }
  }
  return loss * per_row;
}

}  // namespace vectune
