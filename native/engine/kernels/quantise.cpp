#include "registry.h"
#include "simd.h"
#include "team.h"

// int8 with one scale a row. Weights are symmetric, activations have a zero point too (GELU's are nearly all positive):
//   weights:      s = max|w| / 127          q = round(w / s)         w ≈ s·q
//   activations:  s = (max − min) / 255     q = round(x / s) + z     x ≈ s·(q − z),  min falls on −128
//   x·wᵀ ≈ s_x·s_w·(q_x·q_wᵀ − z·Σq_w)
namespace vectune::kernels::VECTUNE_SIMD {
namespace {

/// A row whose numbers are all smaller is taken for zeros: 127 divided by them would not be a number.
constexpr float kLeast = 1e-30f;

using B = int8_t __attribute__((vector_size(kLanes)));

inline F round(F v) {
  const F magic = splat(12582912.0f);  // 1.5·2²³: adding it rounds to the nearest integer
  return (v + magic) - magic;
}

inline I to_integers(F whole) { return __builtin_convertvector(whole, I); }

inline void store_bytes(int8_t* p, I v, int n) {
  const B b = __builtin_convertvector(v, B);
  std::memcpy(p, &b, static_cast<size_t>(n));
}

void quantise_weights(const float* w, int64_t outputs, int64_t width, int8_t* q, float* scales, float* sums) {
  for_parts(outputs, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = w + r * width;
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
        store_bytes(q + r * width + i, to_integers(v), n);
      });
      scales[r] = inverse > 0.0f ? largest / 127.0f : 0.0f;
      sums[r] = sum(total);  // of integers below 2²⁴: exact
    }
  });
}

void quantise_rows(const float* x, int64_t rows, int64_t width, bool add_128, int8_t* q, float* scales_and_zeros) {
  const I shift = I{} + (add_128 ? 128 : 0);
  for_parts(rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = x + r * width;
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
        store_bytes(q + r * width + i, to_integers(v) + shift, n);
      });
    }
  });
}

void dequantise_rows(float* y, int64_t rows, int64_t width, const float* scales_and_zeros, const float* scales,
                     const float* sums) {
  for_parts(rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      float* row = y + r * width;
      const float scale = scales_and_zeros[2 * r], zero = scales_and_zeros[2 * r + 1];
      for_lanes(width, [&](int64_t i, auto n) {
        // The product's sums are integers that stand where the floats will.
        const F v = __builtin_convertvector(reinterpret_cast<I>(load(row + i, n)), F);
        store(row + i, (v - zero * load(sums + i, n)) * (scale * load(scales + i, n)), n);
      });
    }
  });
}

}  // namespace

void register_quantise(Table& t) {
  t.common.quantise_weights = quantise_weights;
  t.common.quantise_rows = quantise_rows;
  t.common.dequantise_rows = dequantise_rows;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
