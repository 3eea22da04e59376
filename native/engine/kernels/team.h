#pragma once
#include <omp.h>

#include <cstdint>
#include <cstring>

namespace vectune::kernels::VECTUNE_SIMD {

/// Runs part(begin, end, thread) with 0 … n cut into one fixed piece per thread.
template <typename Part>
inline void for_parts(int64_t n, Part part) {
#pragma omp parallel
  {
    const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int64_t begin = n * thread / threads, end = n * (thread + 1) / threads;
    if (begin < end) part(begin, end, static_cast<int>(thread));
  }
}

/// Pieces of a flat range on cache-line borders, so that no two threads write one line.
template <typename Part>
inline void for_flat_parts(int64_t n, Part part) {
  const int64_t lines = (n + 15) / 16;
  for_parts(lines, [&](int64_t begin, int64_t end, int) { part(begin * 16, end * 16 < n ? end * 16 : n); });
}

inline int team_size() { return omp_get_max_threads(); }

template <typename T>
inline void zero_rows(T* x, int64_t from, int64_t to, int64_t width) {
  if (to > from) std::memset(static_cast<void*>(x + from * width), 0, sizeof(T) * static_cast<size_t>((to - from) * width));
}

}  // namespace vectune::kernels::VECTUNE_SIMD
