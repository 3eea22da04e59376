#pragma once
#include "cpu/kernels/mask.h"
#include "cpu/kernels/simd.h"

// Layer norm of one row: y = (x − mean)/σ · γ + β, σ² = mean((x − mean)²) + eps  (Ba, Kiros & Hinton 2016)
namespace vectune::kernels::VECTUNE_SIMD {

struct RowStats {
  float mean, rstd;
};

inline RowStats row_stats(const float* x, int64_t width, float eps) {
  F s{};
  for_lanes(width, [&](int64_t i, auto n) { s += load(x + i, n); });
  const float mean = sum(s) / static_cast<float>(width);
  F v{};
  for_lanes(width, [&](int64_t i, auto n) {
    F d = load(x + i, n) - mean;
    if constexpr (!std::is_same_v<decltype(n), std::integral_constant<int, kLanes>>) {
      for (int lane = n; lane < kLanes; ++lane) d[lane] = 0.0f;  // absent features have no deviation
    }
    v += d * d;
  });
  const float variance = sum(v) / static_cast<float>(width);
  return {mean, 1.0f / std::sqrt(variance + eps)};
}

/// Of the root mean square norm, which is a layer norm with a mean of 0: y = x/σ · γ, σ² = mean(x²) + eps.
template <typename X>
inline RowStats rms_stats(const X* x, int64_t width, float eps) {
  F v{};
  for_lanes(width, [&](int64_t i, auto n) {
    const F e = load(x + i, n);
    v += e * e;
  });
  return {0.0f, 1.0f / std::sqrt(sum(v) / static_cast<float>(width) + eps)};
}

/// What the backward of one row's layer norm needs of dy: c1 = mean(dy·γ), c2 = mean(dy·γ·x̂); then
/// dx = (dy·γ − c1 − x̂·c2)/σ.
struct RowBackward {
  float mean, rstd, c1, c2;

  F dx(F dy_gamma, F x) const {
    const F xhat = (x - mean) * rstd;
    return (dy_gamma - c1 - xhat * c2) * rstd;
  }
};

/// One pass over the row that also adds dy·x̂ and dy to the row's share of dγ and dβ. `dy_at(i, n)` gives dy, and
/// `gamma_at` γ.
template <typename Gamma, typename Dy>
inline RowBackward row_backward(const float* x, const float* stats, Gamma gamma_at, int64_t width, float* dgamma,
                                float* dbeta, Dy dy_at) {
  const float mean = stats[0], rstd = stats[1];
  F s1{}, s2{};
  for_lanes(width, [&](int64_t i, auto n) {
    const F dy = dy_at(i, n);
    const F xhat = (load(x + i, n) - mean) * rstd;
    const F g = dy * gamma_at(i, n);
    s1 += g;
    s2 += g * xhat;
    store(dgamma + i, load(dgamma + i, n) + dy * xhat, n);
    store(dbeta + i, load(dbeta + i, n) + dy, n);
  });
  const float w = static_cast<float>(width);
  return {mean, rstd, sum(s1) / w, sum(s2) / w};
}
template <typename Dy>
inline RowBackward row_backward(const float* x, const float* stats, const float* gamma, int64_t width, float* dgamma,
                                float* dbeta, Dy dy_at) {
  return row_backward(x, stats, [gamma](int64_t i, auto n) { return load(gamma + i, n); }, width, dgamma, dbeta, dy_at);
}

/// The whole backward of one row's root mean square norm: with x̂ = x/σ and g = dy·γ, adds dy·x̂ to the row's share of dγ
/// and gives dx = (g − x̂·mean(g·x̂))/σ. `gamma_at(i, n)` gives γ.
template <typename X, typename Gamma>
inline void rms_row_backward(const X* x, float rstd, Gamma gamma_at, int64_t width, const float* dy, float* dgamma,
                             X* dx) {
  F dot{};
  for_lanes(width, [&](int64_t i, auto n) {
    const F d = load(dy + i, n), xhat = load(x + i, n) * rstd;
    store(dgamma + i, load(dgamma + i, n) + d * xhat, n);
    dot += d * gamma_at(i, n) * xhat;
  });
  const float mean = sum(dot) / static_cast<float>(width);
  for_lanes(width, [&](int64_t i, auto n) {
    const F g = load(dy + i, n) * gamma_at(i, n), xhat = load(x + i, n) * rstd;
    store(dx + i, (g - xhat * mean) * rstd, n);
  });
}

}  // namespace vectune::kernels::VECTUNE_SIMD
