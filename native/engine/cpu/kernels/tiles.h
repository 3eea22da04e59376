#pragma once
#include <algorithm>

#include "cpu/kernels.h"
#include "cpu/kernels/simd.h"
#include "cpu/kernels/team.h"
#include "cpu/kernels/words.h"

// A tile of C = A·B: kTile × kPanel sums that stay in registers over the whole of k, and go from there to what is made
// of them. B is in panels of kPanel columns, so that one step of k reads a few whole vectors.
namespace vectune::kernels::VECTUNE_SIMD {

// kTile × kPanelVectors vectors of sums, kPanelVectors of B and one of A take 28 of 32 registers, or 15 of 16
inline constexpr int kTile = kRegisters == 32 ? 8 : 6, kPanelVectors = kRegisters == 32 ? 3 : 2;
inline constexpr int64_t kPanel = kPanelVectors * kLanes;
static_assert(kProductPanel % kPanel == 0);
template <typename T>
inline constexpr int64_t kLine = 64 / sizeof(T);  // elements of a line of the cache

/// What a lane sums in: fp32, or int32 for int8.
template <typename T>
struct SumsOf {
  using Vector = F;
};
template <>
struct SumsOf<int8_t> {
  using Vector = I;
};

/// B given as its transpose [n × k], `row` apart → panel.
template <typename T>
void pack_transposed(const T* b, int64_t row, int64_t n, int64_t k, T* panel) {
  const int64_t words = k / kInWord<T>;
  for (int64_t i = 0; i < words; i += kLanes)
    for (int64_t j = 0; j < n; j += kLanes) {
      const int64_t columns = std::min<int64_t>(kLanes, n - j), depth = std::min<int64_t>(kLanes, words - i);
      U x[kLanes];
      for (int64_t c = 0; c < kLanes; ++c) {
        const T* at = b + (j + c) * row + i * kInWord<T>;
        __builtin_prefetch(at + 4 * kLanes * kInWord<T>);
        x[c] = c >= columns ? U{} : depth == kLanes ? load_word(at) : load_word(at, depth);
      }
      transpose(x);
      for (int64_t d = 0; d < depth; ++d) store_word(panel + ((i + d) * kPanel + j) * kInWord<T>, x[d]);
    }
}

/// W[out × in] → all its panels.
template <typename T>
void pack_all(const T* w, int64_t in, int64_t out, T* packed) {
  for_parts((out + kPanel - 1) / kPanel, [&](int64_t begin, int64_t end, int) {
    for (int64_t from = begin * kPanel; from < std::min(out, end * kPanel); from += kPanel)
      pack_transposed(w + from * in, in, std::min(kPanel, out - from), in, packed + from * in);
  });
}

/// A[m × k], row-major, `row` apart.
template <typename T>
struct Rows {
  using Element = T;
  const T* a;
  int64_t row;

  Rows at(int64_t r) const { return {a + r * row, row}; }
  Rows from(int64_t k) const { return {a + k, row}; }
  const T* word(int r, int64_t k) const { return a + r * row + k; }
  /// Asks for the line that the next tile reads at k.
  void expect_line(int64_t k) const {
#pragma GCC unroll 8
    for (int r = 0; r < kTile; ++r) __builtin_prefetch(a + (r + kTile) * row + k);
  }
  void expect_step(int64_t) const {}
};

/// C[R × V vectors] (+)= A[R × k] · panel. `lanes` of the last vector are C's. A panel that is read for the first time
/// (kStream) is asked for a little ahead: no hardware looks beyond a page.
template <int R, int V, bool kStream, typename A, typename T, typename Finish>
__attribute__((noinline)) void tile(A a, const T* panel, int64_t k, const Finish& finish, int lanes) {
  constexpr int64_t kAhead = 20 * kPanel * kInWord<T>;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) finish.expect(r, v * kLanes);
  typename SumsOf<T>::Vector sums[R][V] = {};
  const auto step = [&](int64_t i) __attribute__((always_inline)) {
    if (R == kTile) a.expect_step(i);
    U b[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      if (kStream && v * kLanes % kLine<float> == 0) __builtin_prefetch(panel + kAhead + v * kLanes * kInWord<T>);
      b[v] = load_word(panel + v * kLanes * kInWord<T>);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const U x = broadcast_word(a.word(r, i));
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[r][v] = multiply_add(sums[r][v], b[v], x, panel);
    }
    panel += kPanel * kInWord<T>;
  };
  constexpr int64_t kOnce = kLine<typename A::Element>;
  int64_t i = 0;
  for (; i + kOnce <= k; i += kOnce) {
    if (R == kTile) a.expect_line(i);
#pragma GCC unroll 4
    for (int s = 0; s < kOnce; s += kInWord<T>) step(i + s);
  }
  for (; i < k; i += kInWord<T>) step(i);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) finish(sums[r][v], r, v * kLanes, v < V - 1 ? kLanes : lanes);
}

template <int V, bool kStream, int R = kTile, typename A, typename T, typename Finish>
void tile_of(int64_t rows, A a, const T* panel, int64_t k, const Finish& finish, int lanes) {
  if constexpr (R > 1) {
    if (rows < R) return tile_of<V, kStream, R - 1>(rows, a, panel, k, finish, lanes);
  }
  tile<R, V, kStream>(a, panel, k, finish, lanes);
}

/// As tile_of, for a panel of which `width` columns are C's.
template <bool kStream, int V = kPanelVectors, typename A, typename T, typename Finish>
void tile_of_width(int64_t rows, int64_t width, A a, const T* panel, int64_t k, const Finish& finish) {
  const int64_t lanes = width - (V - 1) * kLanes;
  if constexpr (V > 1) {
    if (lanes <= 0) return tile_of_width<kStream, V - 1>(rows, width, a, panel, k, finish);
  }
  tile_of<V, kStream>(rows, a, panel, k, finish, static_cast<int>(lanes));
}

}  // namespace vectune::kernels::VECTUNE_SIMD
