#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../bf16.h"

#ifndef VECTUNE_SIMD
#error "VECTUNE_SIMD names the instruction set that this file is compiled for"
#endif

// Fixed-width vectors over GCC's and Clang's vector extension: one source for every instruction set;
// the compiler splits a vector that is wider than the hardware's.
namespace vectune::kernels::VECTUNE_SIMD {

inline constexpr int kLanes = 16;
using F = float __attribute__((vector_size(4 * kLanes)));
using I = int32_t __attribute__((vector_size(4 * kLanes)));
using U = uint32_t __attribute__((vector_size(4 * kLanes)));
using H = uint16_t __attribute__((vector_size(2 * kLanes)));

inline F splat(float x) { return F{} + x; }
inline U splat_u(uint32_t x) { return U{} + x; }

inline F load(const float* p) {
  F v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline F load(const bf16* p) {
  H h;
  std::memcpy(&h, p, sizeof h);
  U u = __builtin_convertvector(h, U) << 16;
  return reinterpret_cast<F>(u);
}
inline void store(float* p, F v) { std::memcpy(p, &v, sizeof v); }
inline void store(bf16* p, F v) {
  U u = reinterpret_cast<U>(v);
  u = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;  // NaNs do not reach here with a payload that could carry over
  H h = __builtin_convertvector(u, H);
  std::memcpy(p, &h, sizeof h);
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
inline F load(const T* p, std::integral_constant<int, kLanes>) { return load(p); }
template <typename T>
inline void store(T* p, F v, std::integral_constant<int, kLanes>) { store(p, v); }

/// Sum of the lanes, pairwise: always the same order.
inline float sum(F v) {
  alignas(64) float a[kLanes];
  store(a, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) a[i] += a[i + width];
  return a[0];
}
inline F max(F a, F b) { return a > b ? a : b; }
inline F min(F a, F b) { return a < b ? a : b; }
inline float max(F v) {
  alignas(64) float a[kLanes];
  store(a, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) a[i] = a[i] > a[i + width] ? a[i] : a[i + width];
  return a[0];
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
