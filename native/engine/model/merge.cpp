#include "model/merge.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "model/fp32_weights.h"
#include "runtime/errors.h"
#include "runtime/thread_team.h"

namespace vectune {

namespace {

using Shares = std::vector<double>;

/// to = Σ share · x. From the first model's values on, so that what all agree in is not rounded.
void mix(float* to, const std::vector<const float*>& from, const Shares& shares, double rest, int64_t count) {
  for_parts(count, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const double first = from[0][i];
      double sum = rest * first;
      for (size_t m = 1; m < from.size(); ++m) sum += shares[m] * (from[m][i] - first);
      to[i] = static_cast<float>(sum);
    }
  });
}

double dot(const float* a, const float* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

/// What the models' values are multiplied by for the spherical mean of one parameter; `shares` where there is no such
/// mean: a parameter of zeros, or directions that are all the same or opposite.
Shares spherical(const std::vector<const float*>& from, const Shares& shares, int64_t count) {
  const size_t n = from.size();
  constexpr double kSame = 1e-12;
  std::vector<double> lengths(n);
  std::vector<Shares> cosines(n, Shares(n, 1));  // of the directions; all points are sums of directions
  double length = 0;
  for (size_t m = 0; m < n; ++m) {
    lengths[m] = std::sqrt(dot(from[m], from[m], count));
    if (lengths[m] == 0) return shares;
    length += shares[m] * lengths[m];
  }
  double farthest = 1;
  for (size_t m = 0; m < n; ++m)
    for (size_t k = 0; k < m; ++k) {
      cosines[m][k] = cosines[k][m] = std::clamp(dot(from[m], from[k], count) / (lengths[m] * lengths[k]), -1.0, 1.0);
      farthest = std::min(farthest, cosines[m][k]);
    }
  if (1 - farthest < kSame || 1 + farthest < kSame) return shares;
  const auto inner = [&](const Shares& a, const Shares& b) {
    double sum = 0;
    for (size_t m = 0; m < n; ++m)
      for (size_t k = 0; k < n; ++k) sum += a[m] * b[k] * cosines[m][k];
    return sum;
  };
  // The mean as a sum of directions, from the linear mean on: the tangents to all directions, averaged, until they
  // cancel out.
  Shares mean = shares;
  const double start = std::sqrt(std::max(0.0, inner(mean, mean)));
  if (start < kSame) return shares;
  for (double& c : mean) c /= start;
  for (int turn = 0; turn < 100; ++turn) {
    Shares tangent(n, 0);
    for (size_t m = 0; m < n; ++m) {
      Shares direction(n, 0);
      direction[m] = 1;
      const double cosine = std::clamp(inner(mean, direction), -1.0, 1.0), angle = std::acos(cosine);
      const double scale = angle < 1e-9 ? 1 : angle / std::sin(angle);
      for (size_t k = 0; k < n; ++k) tangent[k] += shares[m] * scale * (direction[k] - cosine * mean[k]);
    }
    const double angle = std::sqrt(std::max(0.0, inner(tangent, tangent)));
    if (angle < 1e-12) break;
    for (size_t k = 0; k < n; ++k) mean[k] = std::cos(angle) * mean[k] + std::sin(angle) / angle * tangent[k];
  }
  for (size_t m = 0; m < n; ++m) mean[m] *= length / lengths[m];
  return mean;
}

void check_shapes(const Model& model, const Model& first) {
  const auto &all = model.parameters().all(), &others = first.parameters().all();
  const bool same = std::equal(all.begin(), all.end(), others.begin(), others.end(),
                               [](const auto& a, const auto& b) { return a.name == b.name && a.shape == b.shape; });
  if (!same) throw Error(ErrorCode::kInvalidArgument, "Models of different shapes cannot be merged.");
}

}  // namespace

std::shared_ptr<Model> merge(const std::vector<std::shared_ptr<const Model>>& models, const Shares& shares,
                             Merging merging) {
  const double sum = [&] {
    double all = 0;
    for (const double share : shares) all += share;
    return all;
  }();
  const bool none_below = std::all_of(shares.begin(), shares.end(), [](double share) { return share >= 0; });
  if (models.empty() || shares.size() != models.size() || !none_below || std::abs(sum - 1) > 1e-6)
    throw Error(ErrorCode::kInvalidArgument, "Each model must have a share from 0, and the shares must add up to 1.");
  for (const auto& model : models) check_shapes(*model, *models.front());
  auto merged = Model::in_shape_of(*models.front());
  std::vector<Fp32Weights> weights;
  for (const auto& model : models) weights.emplace_back(*model);
  const auto whole = std::find(shares.begin(), shares.end(), 1.0);
  for (const auto& parameter : merged->parameters().all()) {
    float* to = merged->data() + parameter.offset;
    const auto values = [&](int64_t begin, int64_t count) {
      std::vector<const float*> from;
      for (Fp32Weights& of_model : weights) from.push_back(of_model.at(parameter.offset + begin, count));
      return from;
    };
    if (whole != shares.end() || merging == Merging::kLinear) {
      constexpr int64_t kPiece = 1 << 20;
      for (int64_t begin = 0; begin < parameter.elements; begin += kPiece) {
        const int64_t some = std::min(kPiece, parameter.elements - begin);
        const std::vector<const float*> from = values(begin, some);
        if (whole == shares.end()) mix(to + begin, from, shares, 1, some);
        else std::copy_n(from[static_cast<size_t>(whole - shares.begin())], some, to + begin);
      }
      continue;
    }
    const std::vector<const float*> from = values(0, parameter.elements);
    const Shares factors = spherical(from, shares, parameter.elements);
    double rest = 0;
    for (const double factor : factors) rest += factor;
    mix(to, from, factors, factors == shares ? 1 : rest, parameter.elements);
  }
  return merged;
}

}  // namespace vectune
