#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "cpu/bf16.h"

#ifndef VECTUNE_SIMD
#error "VECTUNE_SIMD names the instruction set that this file is compiled for"
#endif

// Vectors of the hardware's width over GCC's and Clang's vector extension: one source for every instruction set. (A
// wider one is split by the compiler, which then keeps it in memory.)
namespace vectune::kernels::VECTUNE_SIMD {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16, kRegisters = 32;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8, kRegisters = 16;
#else
inline constexpr int kLanes = 4, kRegisters = 16;
#endif
using F = float __attribute__((vector_size(4 * kLanes)));
using I = int32_t __attribute__((vector_size(4 * kLanes)));
using U = uint32_t __attribute__((vector_size(4 * kLanes)));
using H = uint16_t __attribute__((vector_size(2 * kLanes)));

inline F splat(float x) { return x - F{}; }  // not x + 0, which is another number for −0
inline U splat_u(uint32_t x) { return U{} + x; }

inline F load(const float* p) {
  F v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
/// kLanes halves, each as the lower half of a word. (GCC takes a vector conversion apart, hence the intrinsics.)
inline U widen(const bf16* p) {
#if defined(__AVX512F__)
  return reinterpret_cast<U>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__AVX2__)
  return reinterpret_cast<U>(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
  H h;
  std::memcpy(&h, p, sizeof h);
  return __builtin_convertvector(h, U);
#endif
}
inline F load(const bf16* p) { return reinterpret_cast<F>(widen(p) << 16); }
inline void store(float* p, F v) { std::memcpy(p, &v, sizeof v); }
inline void store(bf16* p, F v) {
  U u = reinterpret_cast<U>(v);
  u = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;  // NaNs do not reach here with a payload that could carry over
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(reinterpret_cast<__m512i>(u)));
#else
  H h = __builtin_convertvector(u, H);
  std::memcpy(p, &h, sizeof h);
#endif
}

/// The first n lanes; the others are zero, and are left alone in memory.
template <typename T>
inline F load(const T* p, int n) {
  alignas(64) T buffer[kLanes] = {};
  std::memcpy(buffer, p, sizeof(T) * static_cast<size_t>(n));
  return load(buffer);
}
template <typename T>
inline void store(T* p, F v, int n) {
  alignas(64) T buffer[kLanes];
  store(buffer, v);
  std::memcpy(p, buffer, sizeof(T) * static_cast<size_t>(n));
}

/// f(offset, lanes) over 0 … n in steps of a vector; the last step may have fewer lanes.
template <typename Step>
inline void for_lanes(int64_t n, Step step) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) step(i, std::integral_constant<int, kLanes>{});
  if (i < n) step(i, static_cast<int>(n - i));
}
template <typename T>
inline F load(const T* p, std::integral_constant<int, kLanes>) {
  return load(p);
}
template <typename T>
inline void store(T* p, F v, std::integral_constant<int, kLanes>) {
  store(p, v);
}

template <int kBit, bool kUpper, typename V, int... kLane>
inline V exchange(V a, V b, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(a, b, ((kLane & kBit ? kLanes + kLane - kBit : kLane) + (kUpper ? kBit : 0))...);
}
/// Of vectors a and b: the lanes whose number lacks bit `kBit`, of a and then b where the lane's number has it; or,
/// kUpper, the lanes whose number has it.
template <int kBit, bool kUpper, typename V>
inline V exchange(V a, V b) {
  return exchange<kBit, kUpper>(a, b, std::make_integer_sequence<int, kLanes>());
}

/// step(bit) for each bit of a lane's number, the highest first.
template <int kBit = kLanes / 2, typename Step>
inline void for_bits(Step step) {
  step(std::integral_constant<int, kBit>{});
  if constexpr (kBit > 1) for_bits<kBit / 2>(step);
}

template <int kBit>
inline void transpose_bit(U (&x)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (i & kBit) continue;
    const U low = exchange<kBit, false>(x[i], x[i | kBit]), high = exchange<kBit, true>(x[i], x[i | kBit]);
    x[i] = low;
    x[i | kBit] = high;
  }
}
/// Lane j of vector i goes to lane i of vector j: the bits of the two numbers change places one by one.
inline void transpose(U (&x)[kLanes]) {
  for_bits([&](auto bit) { transpose_bit<bit()>(x); });
}

template <int kBit, typename V>
inline void fold(V (&x)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kBit; ++i)
    x[i] = exchange<kBit, false>(x[i], x[i + kBit]) + exchange<kBit, true>(x[i], x[i + kBit]);
}
/// Lane i: the sum of the lanes of vector i, which is lost.
template <typename V>
inline V sums_of(V (&x)[kLanes]) {
  for_bits([&](auto bit) { fold<bit()>(x); });
  return x[0];
}

/// Sum of the lanes, pairwise: always the same order.
inline float sum(F v) {
  for_bits([&](auto bit) { v += exchange<bit(), true>(v, v); });
  return v[0];
}
inline F max(F a, F b) { return a > b ? a : b; }
inline F min(F a, F b) { return a < b ? a : b; }
inline float max(F v) {
  for_bits([&](auto bit) { v = max(v, exchange<bit(), true>(v, v)); });
  return v[0];
}

/// eˣ by 2ⁿ·eʳ, |r| ≤ ln2/2, Taylor to r⁷ (relative error below 2 ulp); 0 below −87, capped above 88.
inline F exp(F x) {
  F clamped = min(max(x, splat(-87.0f)), splat(88.0f));
  const F magic = splat(12582912.0f);  // 1.5·2²³: adding it rounds to the nearest integer
  F t = clamped * 1.44269504088896341f + magic;
  F n = t - magic;
  F r = clamped - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  F p = splat(1.0f / 5040.0f);
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  I e = __builtin_convertvector(n, I);
  F scale = reinterpret_cast<F>((e + 127) << 23);
  F y = p * scale;
  return x < -87.0f ? F{} : y;
}

/// erf by the (7, 4) rational in x² that Eigen and XLA use (|x| ≤ 4, absolute error below 4e-7).
inline F erf(F x) {
  x = min(max(x, splat(-4.0f)), splat(4.0f));
  F z = x * x;
  F p = splat(-2.72614225801306e-10f);
  p = p * z + 2.77068142495902e-08f;
  p = p * z + -2.10102402082508e-06f;
  p = p * z + -5.69250639462346e-05f;
  p = p * z + -7.34990630326855e-04f;
  p = p * z + -2.95459980854025e-03f;
  p = p * z + -1.60960333262415e-02f;
  p = p * x;
  F q = splat(-1.45660718464996e-05f);
  q = q * z + -2.13374055278905e-04f;
  q = q * z + -1.68282697438203e-03f;
  q = q * z + -7.37332916720468e-03f;
  q = q * z + -1.42647390514189e-02f;
  return p / q;
}

inline F tanh(F x) {
  F e = exp(min(max(x, splat(-9.0f)), splat(9.0f)) * 2.0f);
  return (e - 1.0f) / (e + 1.0f);
}

}  // namespace vectune::kernels::VECTUNE_SIMD
