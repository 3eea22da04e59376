#include <algorithm>

#include "cpu/kernels/registry.h"
#include "cpu/kernels/simd.h"
#include "cpu/kernels/team.h"
#include "cpu/kernels/words.h"

// int8 with one scale a row. Weights are symmetric, activations have a zero point too (GELU's are nearly all positive):
//   weights:      s = max|w| / 127          q = round(w / s)         w ≈ s·q
//   activations:  s = (max − min) / 255     q = round(x / s) + z     x ≈ s·(q − z),  min falls on −128
//   x·wᵀ ≈ s_x·s_w·(q_x·q_wᵀ − z·Σq_w)
// Rows end in zeros where the width is no multiple of a word's integers: quantised_row.
namespace vectune::kernels::VECTUNE_SIMD {
namespace {

/// A row whose numbers are all smaller is taken for zeros: 127 divided by them would not be a number.
constexpr float kLeast = 1e-30f;

using Bytes = int8_t __attribute__((vector_size(kLanes)));
using QuantisedXs = QuantisedX __attribute__((vector_size(kLanes * sizeof(QuantisedX))));

inline F round(F v) {
  const F magic = splat(12582912.0f);  // 1.5·2²³: adding it rounds to the nearest integer
  return (v + magic) - magic;
}

inline I to_integers(F whole) { return __builtin_convertvector(whole, I); }

/// The first n lanes, in a narrower vector.
template <typename Narrow, typename T>
inline void store_integers(T* p, I v, int n) {
  const Narrow narrow = __builtin_convertvector(v, Narrow);
  std::memcpy(p, &narrow, sizeof(T) * static_cast<size_t>(n));
}

void quantise_weights(const float* w, int64_t outputs, int64_t width, int8_t* q, float* scales, float* sums) {
  const int64_t q_row = quantised_row(width);
  for_parts(outputs, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = w + r * width;
      int8_t* to = q + r * q_row;
      F most{};
      for_lanes(width, [&](int64_t i, auto n) {
        const F v = load(row + i, n);
        most = max(most, max(v, -v));
      });
      const float largest = max(most), inverse = largest > kLeast ? 127.0f / largest : 0.0f;
      F total{};
      for_lanes(width, [&](int64_t i, auto n) {
        const F v = round(load(row + i, n) * inverse);
        total += v;
        store_integers<Bytes>(to + i, to_integers(v), n);
      });
      std::fill(to + width, to + q_row, int8_t{0});
      scales[r] = inverse > 0.0f ? largest / 127.0f : 0.0f;
      sums[r] = sum(total);  // of integers below 2²⁴: exact
    }
  });
}

void quantise_rows(const float* x, int64_t rows, int64_t width, void* q, float* scales_and_zeros) {
  const int64_t q_row = quantised_row(width);
  for_parts(rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = x + r * width;
      QuantisedX* to = static_cast<QuantisedX*>(q) + r * q_row;
      F low{}, high{};  // 0 is always in the range
      for_lanes(width, [&](int64_t i, auto n) {
        const F v = load(row + i, n);
        low = min(low, v);
        high = max(high, v);
      });
      const float least = -max(-low), range = max(high) - least;
      const float inverse = range > kLeast ? 255.0f / range : 0.0f;
      const float zero = std::nearbyint(-128.0f - least * inverse);
      scales_and_zeros[2 * r] = inverse > 0.0f ? range / 255.0f : 0.0f;
      scales_and_zeros[2 * r + 1] = zero;
      for_lanes(width, [&](int64_t i, auto n) {
        const F v = min(max(round(load(row + i, n) * inverse) + zero, splat(-128.0f)), splat(127.0f));
        store_integers<QuantisedXs>(to + i, to_integers(v) + kQuantisedOffset, n);
      });
      std::fill(to + width, to + q_row, QuantisedX{0});
    }
  });
}

}  // namespace

void register_quantise(Table& t) {
  t.common.quantise_weights = quantise_weights;
  t.common.quantise_rows = quantise_rows;
  t.common.quantised_bytes = sizeof(QuantisedX);
}

}  // namespace vectune::kernels::VECTUNE_SIMD
