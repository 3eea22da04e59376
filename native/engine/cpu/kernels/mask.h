#pragma once
#include "cpu/kernels.h"
#include "cpu/kernels/simd.h"

// Dropout by counter: no generator, no stored mask. Forward and backward ask the same question.
namespace vectune::kernels::VECTUNE_SIMD {

/// Finaliser of SplitMix64 (Steele, Lea & Flood 2014).
inline uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// Key of one row: what its elements' hashes start from.
inline uint32_t row_hash(uint64_t key, uint64_t row) { return static_cast<uint32_t>(mix64(key ^ mix64(row)) >> 16); }

/// A 32-bit finaliser with low bias (Wellons, "hash-prospector").
inline U mix32(U x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

inline U lane_numbers() {
  U u;
  for (int i = 0; i < kLanes; ++i) u[i] = static_cast<uint32_t>(i);
  return u;
}

/// scale where kept, 0 where dropped, for features j … j + kLanes − 1 of a row.
inline F keep(const Dropout& d, uint32_t row, int64_t j) {
  U h = mix32((lane_numbers() + static_cast<uint32_t>(j)) * 0x9e3779b9u + row);
  I kept = h >= splat_u(d.threshold);
  return reinterpret_cast<F>(reinterpret_cast<I>(splat(d.scale)) & kept);
}

}  // namespace vectune::kernels::VECTUNE_SIMD
