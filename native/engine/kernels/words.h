#pragma once
#include <bit>

#include "simd.h"

// What is multiplied is in words of 32 bits: a float, a pair of bf16 or four int8, which one instruction multiplies and adds.
namespace vectune::kernels::VECTUNE_SIMD {

template <typename T>
constexpr int kInWord = sizeof(float) / sizeof(T);

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
  return reinterpret_cast<F>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(acc), reinterpret_cast<__m512bh>(w),
                                              reinterpret_cast<__m512bh>(x)));
}
#endif
#ifdef __AVX512VNNI__
/// x are unsigned, 128 more than they stand for, so that each sum is 128·Σw too large.
inline I multiply_add(I acc, U w, U x, const int8_t*) {
  return reinterpret_cast<I>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(acc), reinterpret_cast<__m512i>(x),
                                                 reinterpret_cast<__m512i>(w)));
}
#endif

}  // namespace vectune::kernels::VECTUNE_SIMD
