#pragma once
#include <bit>

#include "cpu/kernels/simd.h"

// What is multiplied is in words of 32 bits: a float, a pair of bf16 or four int8, which one instruction multiplies and
// adds; without VNNI a pair of int16, which stand as two int8 in memory where they are W's.
namespace vectune::kernels::VECTUNE_SIMD {

/// What an int8 product takes for an integer q of x, and how much more that is than q: VNNI's bytes of x are unsigned.
#ifdef __AVX512VNNI__
using QuantisedX = uint8_t;
constexpr int kQuantisedOffset = 128;
#else
using QuantisedX = int16_t;
constexpr int kQuantisedOffset = 0;
#endif

/// The type of x, T being W's.
template <typename T>
struct XOf {
  using Type = T;
};
template <>
struct XOf<int8_t> {
  using Type = QuantisedX;
};

template <typename T>
constexpr int kInWord = sizeof(float) / sizeof(typename XOf<T>::Type);

inline U load_word(const void* p) {
  U v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store_word(void* p, U v) { std::memcpy(p, &v, sizeof v); }
/// The first n words; the others are zero.
inline U load_word(const void* p, int64_t n) {
  U v{};
  std::memcpy(&v, p, 4 * static_cast<size_t>(n));
  return v;
}
#ifndef __AVX512VNNI__
inline U load_word(const int8_t* p) {
#if defined(__AVX512F__)
  return reinterpret_cast<U>(_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__AVX2__)
  return reinterpret_cast<U>(_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
  int16_t wide[2 * kLanes];
  for (int i = 0; i < 2 * kLanes; ++i) wide[i] = p[i];
  return load_word(static_cast<const void*>(wide));
#endif
}
inline U load_word(const int8_t* p, int64_t n) {
  int8_t buffer[2 * kLanes] = {};
  std::memcpy(buffer, p, 2 * static_cast<size_t>(n));
  return load_word(buffer);
}
inline void store_word(int8_t* p, U v) {
  int16_t wide[2 * kLanes];
  std::memcpy(wide, &v, sizeof v);
  for (int i = 0; i < 2 * kLanes; ++i) p[i] = static_cast<int8_t>(wide[i]);
}
#endif
/// One word in each lane.
inline U broadcast_word(const void* p) {
  int32_t word;
  std::memcpy(&word, p, sizeof word);
#if defined(__AVX512F__)
  return reinterpret_cast<U>(_mm512_set1_epi32(word));
#elif defined(__AVX2__)
  return reinterpret_cast<U>(_mm256_set1_ps(std::bit_cast<float>(word)));
#else
  return reinterpret_cast<U>(splat(std::bit_cast<float>(word)));
#endif
}

/// Words of kLanes columns at rows k (and k + 1) of a row-major matrix, or of the n columns that there are.
inline U word_of_rows(const float* at, int64_t, int64_t n) { return n >= kLanes ? load_word(at) : load_word(at, n); }
inline U word_of_rows(const bf16* at, int64_t row, int64_t n) {
  if (n >= kLanes) return widen(at) | widen(at + row) << 16;
  bf16 low[kLanes] = {}, high[kLanes] = {};
  std::memcpy(low, at, sizeof(bf16) * static_cast<size_t>(n));
  std::memcpy(high, at + row, sizeof(bf16) * static_cast<size_t>(n));
  return widen(low) | widen(high) << 16;
}

/// One multiply-add of words, W's and x's: acc + w·x, in each lane.
inline F multiply_add(F acc, U w, U x, const float*) { return acc + reinterpret_cast<F>(w) * reinterpret_cast<F>(x); }
#ifdef __AVX512BF16__
inline F multiply_add(F acc, U w, U x, const bf16*) {
  return reinterpret_cast<F>(
      _mm512_dpbf16_ps(reinterpret_cast<__m512>(acc), reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(x)));
}
#endif
#ifdef __AVX512VNNI__
/// x are unsigned, 128 more than they stand for, so that each sum is 128·Σw too large.
inline I multiply_add(I acc, U w, U x, const int8_t*) {
  return reinterpret_cast<I>(
      _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(acc), reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(w)));
}
#elif defined(__AVX512F__)
inline I multiply_add(I acc, U w, U x, const int8_t*) {
  return acc + reinterpret_cast<I>(_mm512_madd_epi16(reinterpret_cast<__m512i>(w), reinterpret_cast<__m512i>(x)));
}
#elif defined(__AVX2__)
/// The instruction for bytes, vpmaddubsw, would sum the two products in 16 bits, and saturate.
inline I multiply_add(I acc, U w, U x, const int8_t*) {
  return acc + reinterpret_cast<I>(_mm256_madd_epi16(reinterpret_cast<__m256i>(w), reinterpret_cast<__m256i>(x)));
}
#else
inline I multiply_add(I acc, U w, U x, const int8_t*) {
  const auto low = [](U pair) { return reinterpret_cast<I>(pair << 16) >> 16; };
  const auto high = [](U pair) { return reinterpret_cast<I>(pair) >> 16; };
  return acc + low(w) * low(x) + high(w) * high(x);
}
#endif

}  // namespace vectune::kernels::VECTUNE_SIMD
