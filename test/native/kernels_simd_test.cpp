// The functions that kernels are made of (kernels/simd.h), compiled here for the plain level, against double and
// against what their comments promise: closer than the kernels' own tests can see.
#pragma GCC diagnostic ignored "-Wpsabi"  // vectors wider than the plain level's registers: all within this file
#define VECTUNE_SIMD tested
#include "cpu/kernels/simd.h"

#include "kernels_reference.h"

using namespace vectune;
namespace simd = vectune::kernels::tested;

namespace {

constexpr int kLanes = simd::kLanes;

/// The worst `off(x, f(x))` over evenly spaced x.
template <typename Function, typename Off>
double worst_over(double from, double to, Function f, Off off) {
  constexpr int kSteps = 400000;
  double worst = 0;
  for (int i = 0; i <= kSteps; i += kLanes) {
    simd::F x;
    for (int lane = 0; lane < kLanes; ++lane) x[lane] = static_cast<float>(from + (to - from) * (i + lane) / kSteps);
    const simd::F y = f(x);
    for (int lane = 0; lane < kLanes; ++lane)
      if (i + lane <= kSteps) {
        const double o = off(double{x[lane]}, double{y[lane]});
        worst = std::max(worst, std::isnan(o) ? INFINITY : o);
      }
  }
  return worst;
}

double absolute(double found, double exact) { return std::abs(found - exact); }

/// Distance in units of the last place of the exact value as a float.
double ulps(double found, double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::abs(found - exact) / std::ldexp(1.0, exponent - 24);
}

float first(simd::F v) { return v[0]; }

}  // namespace

TEST(kernels_simd_exp_is_within_2_ulp) {
  const auto off = [](double x, double y) { return ulps(y, std::exp(x)); };
  CHECK(worst_over(-87, 88, simd::exp, off) < 2);
  CHECK(worst_over(-1, 1, simd::exp, off) < 2);
  CHECK_EQ(first(simd::exp(simd::splat(0.0f))), 1.0f);
  // what masks rely on: far below, exactly nothing; far above, finite
  for (const float x : {-87.01f, -1000.0f, -1e30f, -INFINITY}) CHECK_EQ(first(simd::exp(simd::splat(x))), 0.0f);
  for (const float x : {88.5f, 1000.0f, 1e30f, INFINITY})
    CHECK(std::abs(first(simd::exp(simd::splat(x))) / std::exp(88.0) - 1) < 1e-6);
}

TEST(kernels_simd_erf_is_within_4e_7) {
  const auto off = [](double x, double y) { return absolute(y, std::erf(x)); };
  CHECK(worst_over(-4.5, 4.5, simd::erf, off) < 4e-7);
  CHECK(worst_over(-1000, 1000, simd::erf, off) < 4e-7);
  CHECK_EQ(first(simd::erf(simd::splat(0.0f))), 0.0f);
}

TEST(kernels_simd_tanh_is_within_4_roundings) {
  // (e − 1)/(e + 1): absolute, since e − 1 cancels around 0
  const auto off = [](double x, double y) { return absolute(y, std::tanh(x)); };
  CHECK(worst_over(-10, 10, simd::tanh, off) < std::ldexp(4.0, -24));
  CHECK(worst_over(-1000, 1000, simd::tanh, off) < std::ldexp(4.0, -24));
}

TEST(kernels_simd_reductions_take_every_lane_in_pairs) {
  reference::Random random(41);
  for (int round = 0; round < 100; ++round) {
    simd::F v;
    for (int i = 0; i < kLanes; ++i) v[i] = static_cast<float>(random.normal());
    float pairs[kLanes], most = v[0];
    for (int i = 0; i < kLanes; ++i) pairs[i] = v[i], most = std::max(most, v[i]);
    for (int width = kLanes / 2; width > 0; width /= 2)
      for (int i = 0; i < width; ++i) pairs[i] += pairs[i + width];
    CHECK_EQ(simd::sum(v), pairs[0]);
    CHECK_EQ(simd::max(v), most);
  }
}

TEST(kernels_simd_parts_of_vectors_touch_only_their_lanes) {
  reference::Random random(42);
  for (int n = 1; n < kLanes; ++n) {
    const auto x = random.normals(n);  // reads beyond it are the address sanitizer's to find
    const simd::F v = simd::load(x.data(), n);
    for (int i = 0; i < kLanes; ++i) CHECK_EQ(v[i], i < n ? x[i] : 0.0f);
    reference::Guarded<float> y(n);
    reference::Guarded<bf16> half(n);
    simd::store(y.data(), v, n);
    simd::store(half.data(), v, n);
    y.check_guards();
    half.check_guards();
    for (int i = 0; i < n; ++i) {
      CHECK_EQ(y[i], x[i]);
      CHECK_EQ(half[i].bits, to_bf16(x[i]).bits);
      CHECK_EQ(simd::load(half.data(), n)[i], to_float(half[i]));
    }
  }
}
