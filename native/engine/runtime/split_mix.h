#pragma once
#include <cstdint>

namespace vectune {

/// SplitMix64's step and finaliser (Steele, Lea & Flood 2014). The kernels have a copy of their own: an inline function
/// shared with them would be compiled for one instruction set and linked into all.
inline uint64_t split_mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace vectune
