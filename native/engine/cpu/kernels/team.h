#pragma once
#include <cstdint>
#include <cstring>

#include "runtime/thread_team.h"

namespace vectune::kernels::VECTUNE_SIMD {

/// Pieces of a flat range on cache-line borders, so that no two threads write one line.
template <typename Part>
inline void for_flat_parts(int64_t n, Part part) {
  const int64_t lines = (n + 15) / 16;
  for_parts(lines, [&](int64_t begin, int64_t end, int) { part(begin * 16, end * 16 < n ? end * 16 : n); });
}

template <typename T>
inline void zero_rows(T* x, int64_t from, int64_t to, int64_t width) {
  if (to > from)
    std::memset(static_cast<void*>(x + from * width), 0, sizeof(T) * static_cast<size_t>((to - from) * width));
}

}  // namespace vectune::kernels::VECTUNE_SIMD
