#pragma once
// AVX-512 for processors without it, so that its kernels can be tested there: included before everything else (CMake's
// VECTUNE_EMULATE_AVX512) in each file of kernels/ that is compiled for it, and in kernels.cpp, which then finds it.
// The kernels ask for few of its instructions by name, and those are done here lane by lane as Intel's manual defines
// them; all else is in vectors that the compiler splits. What it would make of them for AVX-512 itself is not tested.
#ifndef VECTUNE_SIMD

#define __builtin_cpu_supports(feature) true

#else

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "cpu/bf16.h"

/// Not inlined: unrolled tiles of such loops would take the compiler a quarter of an hour.
#define VECTUNE_EMULATED [[gnu::noinline]] static

namespace vectune::emulated {

template <typename T, int n>
struct Lanes {
  T at[n];
  template <typename V>
  static Lanes of(V v) {
    static_assert(sizeof(V) == sizeof(Lanes));
    Lanes lanes;
    std::memcpy(&lanes, &v, sizeof v);
    return lanes;
  }
  template <typename V>
  operator V() const {
    static_assert(sizeof(V) == sizeof(Lanes));
    V v;
    std::memcpy(&v, this, sizeof v);
    return v;
  }
};

/// Each lane converted.
template <typename To, typename From, int n, typename V, typename Result>
inline Result converted(V v) {
  const auto from = Lanes<From, n>::of(v);
  Lanes<To, n> to;
  for (int i = 0; i < n; ++i) to.at[i] = static_cast<To>(from.at[i]);
  return to;
}
VECTUNE_EMULATED __m512i cvtepu16_epi32(__m256i v) { return converted<uint32_t, uint16_t, 16, __m256i, __m512i>(v); }
VECTUNE_EMULATED __m512i cvtepi8_epi16(__m256i v) { return converted<int16_t, int8_t, 32, __m256i, __m512i>(v); }
VECTUNE_EMULATED __m256i cvtepi32_epi16(__m512i v) { return converted<uint16_t, uint32_t, 16, __m512i, __m256i>(v); }

VECTUNE_EMULATED __m512i set1_epi32(int32_t word) {
  Lanes<int32_t, 16> to;
  for (int32_t& lane : to.at) lane = word;
  return to;
}

/// _CMP_GT_OQ, whatever is asked for.
VECTUNE_EMULATED unsigned cmp_ps_mask(__m512 a, __m512 b, int) {
  const auto x = Lanes<float, 16>::of(a), y = Lanes<float, 16>::of(b);
  unsigned bits = 0;
  for (int i = 0; i < 16; ++i) bits |= static_cast<unsigned>(x.at[i] > y.at[i]) << i;
  return bits;
}

/// acc + Σ of the products of a lane's words: 2 pairs of int16 or 4 of a uint8 and an int8, without saturation.
template <typename A, typename B>
inline __m512i dot(__m512i acc, __m512i a, __m512i b) {
  constexpr int n = sizeof(int32_t) / sizeof(A);
  auto sums = Lanes<int32_t, 16>::of(acc);
  const auto x = Lanes<A, 16 * n>::of(a);
  const auto y = Lanes<B, 16 * n>::of(b);
  for (int i = 0; i < 16 * n; ++i) sums.at[i / n] += int32_t{x.at[i]} * y.at[i];
  return sums;
}
VECTUNE_EMULATED __m512i dpbusd_epi32(__m512i acc, __m512i a, __m512i b) { return dot<uint8_t, int8_t>(acc, a, b); }
VECTUNE_EMULATED __m512i madd_epi16(__m512i a, __m512i b) { return dot<int16_t, int16_t>(set1_epi32(0), a, b); }

/// Of each pair the upper half first, fused; denormals are taken and given as zero.
VECTUNE_EMULATED __m512 dpbf16_ps(__m512 acc, __m512bh a, __m512bh b) {
  const auto flushed = [](float x) {
    return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x;
  };
  const auto half = [&](uint16_t bits) { return flushed(to_float(bf16{bits})); };
  auto sums = Lanes<float, 16>::of(acc);
  const auto x = Lanes<uint16_t, 32>::of(a), y = Lanes<uint16_t, 32>::of(b);
  for (int i = 0; i < 16; ++i)
    for (int upper = 1; upper >= 0; --upper)
      sums.at[i] = flushed(std::fma(half(x.at[2 * i + upper]), half(y.at[2 * i + upper]), flushed(sums.at[i])));
  return sums;
}

}  // namespace vectune::emulated

#define _mm512_cvtepu16_epi32 vectune::emulated::cvtepu16_epi32
#define _mm512_cvtepi8_epi16 vectune::emulated::cvtepi8_epi16
#define _mm512_cvtepi32_epi16 vectune::emulated::cvtepi32_epi16
#define _mm512_set1_epi32 vectune::emulated::set1_epi32
#define _mm512_cmp_ps_mask vectune::emulated::cmp_ps_mask
#define _mm512_madd_epi16 vectune::emulated::madd_epi16
#define _mm512_dpbusd_epi32 vectune::emulated::dpbusd_epi32
#define _mm512_dpbf16_ps vectune::emulated::dpbf16_ps

#define __AVX512F__ 1
#ifdef VECTUNE_EMULATED_VNNI
#define __AVX512VNNI__ 1
#endif
#ifdef VECTUNE_EMULATED_BF16
#define __AVX512BF16__ 1
#endif

#endif
