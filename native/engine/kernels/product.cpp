#include <algorithm>

#include "registry.h"
#include "simd.h"
#include "team.h"
#include "words.h"

// C = A·B in tiles of kTileRows × kPanel sums that stay in registers over the whole of k (Goto & van de Geijn 2008):
//   for each panel of kPanel columns of B, copied so that one step of k reads a few whole vectors
//     for each kTileRows rows of A
//       C[i, j] = Σ_k A[i, k]·B[k, j]         one number of A, times a vector of B
// Few rows (a short text, kFewRows) are not worth the copy; x·Wᵀ is then made of dot products along k, where both are dense:
//   y[i, j] = Σ_lanes Σ_k x[i, k]·W[j, k]     a vector of each
// Where W stays as it is (inference), all its panels are copied once and for all, and every number of rows goes by tiles.
// A sum runs over k in order, whatever the number of threads.
namespace vectune::kernels::VECTUNE_SIMD {

#ifdef __AVX512F__

namespace {

// kTileRows × kPanelVectors vectors of sums, kPanelVectors of B and one of A take 28 of 32 registers
constexpr int kPanelVectors = kProductPanel / kLanes;
constexpr int kDotRows = 4, kDotOutputs = 4;  // their 16 sums make one vector

/// What a lane sums in: fp32, or int32 for int8.
template <typename T>
struct SumsOf {
  using Vector = F;
};
template <>
struct SumsOf<int8_t> {
  using Vector = I;
};

/// Where a tile's sums go: to C, rounded to its type, or added to what is there; `lanes` of the vector are C's.
template <typename C>
struct Store {
  C* c;
  int64_t row;
  bool accumulate;

  void operator()(F sum, int64_t r, int64_t j, int lanes) const {
    C* to = c + r * row + j;
    if (lanes == kLanes) store(to, accumulate ? load(to) + sum : sum);
    else store(to, accumulate ? load(to, lanes) + sum : sum, lanes);
  }
  void expect(int64_t r, int64_t j) const { __builtin_prefetch(c + r * row + j, 1); }
  Store at(int64_t r, int64_t j) const { return {c + r * row + j, row, accumulate}; }
};

/// As the floats that the sums of int8 products stand for: kernels/quantise.cpp.
struct Dequantise {
  float* y;
  int64_t row;
  const float *scales_and_zeros, *w_scales, *w_sums;

  void operator()(I sum, int64_t r, int64_t j, int lanes) const {
    const auto of = [&](const float* p) { return lanes == kLanes ? load(p + j) : load(p + j, lanes); };
    const F sums = of(w_sums);
    sum -= __builtin_convertvector(sums, I) * 128;
    const float scale = scales_and_zeros[2 * r], zero = scales_and_zeros[2 * r + 1];
    const F value = (__builtin_convertvector(sum, F) - zero * sums) * (scale * of(w_scales));
    if (lanes == kLanes) store(y + r * row + j, value);
    else store(y + r * row + j, value, lanes);
  }
  void expect(int64_t r, int64_t j) const { __builtin_prefetch(y + r * row + j, 1); }
  Dequantise at(int64_t r, int64_t j) const {
    return {y + r * row + j, row, scales_and_zeros + 2 * r, w_scales + j, w_sums + j};
  }
};

// --- panels of B ------------------------------------------------------------------------------------------------

/// B[k × n] row-major, `row` apart → panel. Rows lie on pages of their own, where no hardware looks ahead.
template <typename T>
void pack(const T* b, int64_t row, int64_t n, int64_t k, T* panel) {
  constexpr int64_t kAhead = 64;
  for (int64_t i = 0; i < k; i += kInWord<T>) {
    for (int r = 0; r < kInWord<T>; ++r)
      for (int64_t j = 0; j < n; j += kLanes) __builtin_prefetch(b + (i + kAhead + r) * row + j);
    for (int64_t j = 0; j < n; j += kLanes)
      store_word(panel + i * kProductPanel + j * kInWord<T>, word_of_rows(b + i * row + j, row, n - j));
  }
}

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
      for (int64_t d = 0; d < depth; ++d) store_word(panel + ((i + d) * kProductPanel + j) * kInWord<T>, x[d]);
    }
}

/// Asks for a share of what the next panel will be packed from: part `part` of `parts` of `rows` rows of `width` elements.
template <typename T>
inline void prefetch_share(const T* b, int64_t row, int64_t rows, int64_t width, int64_t part, int64_t parts) {
  constexpr int64_t kLine = 64 / sizeof(T);
  const int64_t lines = (width + kLine - 1) / kLine + 1, all = rows * lines;  // rows need not begin on a line
  for (int64_t i = all * part / parts; i < all * (part + 1) / parts; ++i)
    __builtin_prefetch(b + i / lines * row + std::min(i % lines * kLine, width - 1), 0, 3);
}

/// Aᵀ[m × k] from A[k × m]: its words `begin` … `end` of k.
template <typename T>
void transpose_words(const T* a, int64_t m, int64_t k, int64_t begin, int64_t end, T* to, int64_t to_row) {
  const int64_t words = k / kInWord<T>;
  for (int64_t i = begin; i < end; i += kLanes)
    for (int64_t j = 0; j < m; j += kLanes) {
      const int64_t columns = std::min<int64_t>(kLanes, m - j), depth = std::min<int64_t>(kLanes, words - i);
      U x[kLanes];
      for (int64_t d = 0; d < kLanes; ++d)
        x[d] = d >= depth ? U{} : word_of_rows(a + (i + d) * kInWord<T> * m + j, m, columns);
      transpose(x);
      for (int64_t c = 0; c < columns; ++c) {
        T* at = to + (j + c) * to_row + i * kInWord<T>;
        if (depth == kLanes) store_word(at, x[c]);
        else std::memcpy(at, &x[c], 4 * static_cast<size_t>(depth));
      }
    }
}

// --- rows of A --------------------------------------------------------------------------------------------------

/// A[m × k], row-major, `row` apart.
template <typename T>
struct Rows {
  const T* a;
  int64_t row;

  Rows at(int64_t r) const { return {a + r * row, row}; }
  const T* word(int r, int64_t k) const { return a + r * row + k; }
  /// Asks for what the next tile reads at k.
  void expect_next(int64_t k) const {
    if (k % (kLanes * kInWord<T>) != 0) return;
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) __builtin_prefetch(a + (r + kTileRows) * row + k);
  }
};

/// A given as its transpose [k × m], row-major, `row` apart: one line has what a step of k needs of two tiles.
struct Transposed {
  const float* a;
  int64_t row;

  Transposed at(int64_t r) const { return {a + r, row}; }
  const float* word(int r, int64_t k) const { return a + k * row + r; }
  /// Each row lies on another page: this tile's are asked for.
  void expect_next(int64_t k) const { __builtin_prefetch(a + (k + 24) * row); }
};

// --- tiles ------------------------------------------------------------------------------------------------------

/// C[R × V vectors] (+)= A[R × k] · panel. `lanes` of the last vector are C's. A panel that is read for the first time
/// (kStream) is asked for a little ahead: no hardware looks beyond a page.
template <int R, int V, bool kStream, typename A, typename T, typename Finish>
__attribute__((noinline)) void tile(A a, const T* panel, int64_t k, const Finish& finish, int lanes) {
  constexpr int64_t kAhead = 20 * kProductPanel * kInWord<T>;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) finish.expect(r, v * kLanes);
  typename SumsOf<T>::Vector sums[R][V] = {};
  for (int64_t i = 0; i < k; i += kInWord<T>, panel += kProductPanel * kInWord<T>) {
    if (R == kTileRows) a.expect_next(i);
    U b[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      if (kStream) __builtin_prefetch(panel + kAhead + v * kLanes * kInWord<T>);
      b[v] = load_word(panel + v * kLanes * kInWord<T>);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const U x = broadcast_word(a.word(r, i));
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[r][v] = multiply_add(sums[r][v], b[v], x, panel);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) finish(sums[r][v], r, v * kLanes, v < V - 1 ? kLanes : lanes);
}

template <int V, bool kStream, typename A, typename T, typename Finish>
void tile_of(int64_t rows, A a, const T* panel, int64_t k, const Finish& finish, int lanes) {
  switch (rows) {
    case 1: return tile<1, V, kStream>(a, panel, k, finish, lanes);
    case 2: return tile<2, V, kStream>(a, panel, k, finish, lanes);
    case 3: return tile<3, V, kStream>(a, panel, k, finish, lanes);
    case 4: return tile<4, V, kStream>(a, panel, k, finish, lanes);
    case 5: return tile<5, V, kStream>(a, panel, k, finish, lanes);
    case 6: return tile<6, V, kStream>(a, panel, k, finish, lanes);
    case 7: return tile<7, V, kStream>(a, panel, k, finish, lanes);
    default: return tile<8, V, kStream>(a, panel, k, finish, lanes);
  }
  static_assert(kTileRows == 8);
}

/// As tile_of, for a panel of which `width` columns are C's.
template <bool kStream, typename A, typename T, typename Finish>
void tile_of(int64_t rows, int64_t width, A a, const T* panel, int64_t k, const Finish& finish) {
  const int vectors = static_cast<int>((width + kLanes - 1) / kLanes);
  const int lanes = static_cast<int>(width) - (vectors - 1) * kLanes;
  if (vectors == 3) tile_of<3, kStream>(rows, a, panel, k, finish, lanes);
  else if (vectors == 2) tile_of<2, kStream>(rows, a, panel, k, finish, lanes);
  else tile_of<1, kStream>(rows, a, panel, k, finish, lanes);
  static_assert(kPanelVectors == 3);
}

/// C[m × n] (+)= A[m × k]·B, B being [k × n], or (kTransposed) given as [n × k].
template <bool kTransposed, typename A, typename T, typename C>
void multiply(A a, const T* b, int64_t b_row, C* c, int64_t m, int64_t n, int64_t k,
              bool accumulate, T* panels) {
  const Store<C> all{c, n, accumulate};
  const int64_t columns = (n + kProductPanel - 1) / kProductPanel, blocks = (m + kTileRows - 1) / kTileRows;
  for_parts(columns * blocks, [&](int64_t begin, int64_t end, int thread) {
    T* panel = panels + thread * k * kProductPanel;
    for (int64_t at = begin; at < end; ++at) {
      const int64_t column = at / blocks, from = column * kProductPanel, width = std::min(kProductPanel, n - from);
      const int64_t block = at % blocks, r = block * kTileRows, rows = std::min(kTileRows, m - r);
      if (at == begin || block == 0) {
        if constexpr (kTransposed) pack_transposed(b + from * b_row, b_row, width, k, panel);
        else pack(b + from, b_row, width, k, panel);
      }
      if (const int64_t next = from + kProductPanel; next < n && (column + 1) * blocks < end) {
        const int64_t next_width = std::min(kProductPanel, n - next);
        if constexpr (kTransposed) prefetch_share(b + next * b_row, b_row, next_width, k, block, blocks);
        else prefetch_share(b + next, b_row, k, next_width, block, blocks);
      }
      tile_of<false>(rows, width, a.at(r), panel, k, all.at(r, from));
    }
  });
}

// --- fixed weights ----------------------------------------------------------------------------------------------

/// W[out × in] → all its panels.
template <typename T>
void pack_all(const T* w, int64_t in, int64_t out, T* packed) {
  for_parts((out + kProductPanel - 1) / kProductPanel, [&](int64_t begin, int64_t end, int) {
    for (int64_t column = begin; column < end; ++column) {
      const int64_t from = column * kProductPanel;
      pack_transposed(w + from * in, in, std::min(kProductPanel, out - from), in, packed + from * in);
    }
  });
}

/// Rows are cut into tiles of about the same height.
template <typename T, typename Finish>
void multiply_packed(const T* x, const T* packed, int64_t rows, int64_t in, int64_t out, const Finish& finish) {
  const int64_t columns = (out + kProductPanel - 1) / kProductPanel, blocks = (rows + kTileRows - 1) / kTileRows;
  for_parts(columns * blocks, [&](int64_t begin, int64_t end, int) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t from = at / blocks * kProductPanel, block = at % blocks;
      const int64_t r = rows * block / blocks, height = rows * (block + 1) / blocks - r;
      const auto run = [&](auto stream) {
        tile_of<stream()>(height, std::min(kProductPanel, out - from), Rows<T>{x, in}.at(r), packed + from * in, in,
                          finish.at(r, from));
      };
      if (block == 0) run(std::true_type{});
      else run(std::false_type{});
    }
  });
}

template <typename T>
void forward_packed(const T* x, const T* packed, T* y, int64_t rows, int64_t in, int64_t out) {
  multiply_packed(x, packed, rows, in, out, Store<T>{y, out, false});
}

// --- few rows ---------------------------------------------------------------------------------------------------

/// y[R × J] = x[R × k] · (W[J × k])ᵀ
template <int R, int J, typename T, typename Out>
inline void dots(const T* x, const T* w, int64_t k, Out* y, int64_t out) {
  constexpr int kStep = kLanes * kInWord<T>;
  F sums[kLanes] = {};
  const auto step = [&](int64_t i, auto get) {
    U b[J];
#pragma GCC unroll 4
    for (int j = 0; j < J; ++j) b[j] = get(w + j * k + i);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const U a = get(x + r * k + i);
#pragma GCC unroll 4
      for (int j = 0; j < J; ++j) sums[r * kDotOutputs + j] = multiply_add(sums[r * kDotOutputs + j], b[j], a, x);
    }
  };
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep) {
#pragma GCC unroll 4
    for (int j = 0; j < J; ++j) __builtin_prefetch(w + (j + J) * k + i);  // the next outputs' rows
    step(i, [](const T* p) { return load_word(p); });
  }
  if (i < k) step(i, [&](const T* p) { return load_word(p, (k - i) / kInWord<T>); });
  const auto total = sums_of(sums);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < J; ++j) {
      const auto sum = total[r * kDotOutputs + j];
      Out& to = y[r * out + j];
      if constexpr (std::is_same_v<Out, bf16>) to = to_bf16(sum);
      else to = sum;
    }
}

template <typename T, typename Out>
void forward_of_few(const T* x, const T* w, Out* y, int64_t rows, int64_t in, int64_t out) {
  const auto outputs = [&](int64_t o, auto count) {
    int64_t r = 0;
    const auto part = [&](auto size) {
      dots<size(), count()>(x + r * in, w + o * in, in, y + r * out + o, out);
      r += size();
    };
    while (r + kDotRows <= rows) part(std::integral_constant<int, kDotRows>{});
    if ((rows - r) & 2) part(std::integral_constant<int, 2>{});
    if ((rows - r) & 1) part(std::integral_constant<int, 1>{});
  };
  for_parts((out + kDotOutputs - 1) / kDotOutputs, [&](int64_t begin, int64_t end, int) {
    for (int64_t o = begin * kDotOutputs; o < std::min(out, end * kDotOutputs); o += kDotOutputs) {
      if (o + kDotOutputs <= out) outputs(o, std::integral_constant<int, kDotOutputs>{});
      else for (int64_t last = o; last < out; ++last) outputs(last, std::integral_constant<int, 1>{});
    }
  });
}

// --- the products of a linear layer -----------------------------------------------------------------------------

template <typename T>
void forward(const T* x, const T* w, T* y, int64_t rows, int64_t in, int64_t out, void* scratch) {
  if (rows <= kFewRows) return forward_of_few(x, w, y, rows, in, out);
  multiply<true>(Rows<T>{x, in}, w, in, y, rows, out, in, false, static_cast<T*>(scratch));
}

template <typename T, typename C>
void input_gradient(const T* dy, const T* w, C* dx, int64_t rows, int64_t in, int64_t out, bool accumulate,
                    void* scratch) {
  multiply<false>(Rows<T>{dy, out}, w, in, dx, rows, in, out, accumulate, static_cast<T*>(scratch));
}

void weight_gradient(const float* dy, const float* x, float* dw, int64_t rows, int64_t in, int64_t out, bool accumulate,
                     void* scratch) {
  for (int64_t first = 0; first < rows; first += kProductDepth)
    multiply<false>(Transposed{dy + first * out, out}, x + first * in, in, dw, out, in, std::min(kProductDepth, rows - first),
                    accumulate || first > 0, static_cast<float*>(scratch));
}

#ifdef __AVX512BF16__
/// Pairs of rows lie apart in dy, so it is transposed.
void weight_gradient(const bf16* dy, const bf16* x, float* dw, int64_t rows, int64_t in, int64_t out, bool accumulate,
                     void* scratch) {
  const int64_t most = std::min(kProductDepth, rows);
  bf16* transposed = static_cast<bf16*>(scratch);
  bf16* panels = transposed + out * transposed_row(most);
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t depth = std::min(most, rows - first), row = transposed_row(depth);
    const int64_t words = depth / kInWord<bf16>;
    // by rows, as they were written: they are in the thread's cache
    for_parts((words + kLanes - 1) / kLanes, [&](int64_t begin, int64_t end, int) {
      transpose_words(dy + first * out, out, depth, begin * kLanes, std::min(words, end * kLanes), transposed, row);
    });
    multiply<false>(Rows<bf16>{transposed, row}, x + first * in, in, dw, out, in, depth, accumulate || first > 0, panels);
  }
}
#endif

#ifdef __AVX512VNNI__
void int8_forward(const int8_t* x, const float* scales_and_zeros, const int8_t* packed, const float* w_scales,
                  const float* w_sums, float* y, int64_t rows, int64_t in, int64_t out) {
  multiply_packed(x, packed, rows, in, out, Dequantise{y, out, scales_and_zeros, w_scales, w_sums});
}
#endif

}  // namespace

void register_product(Table& t) {
  t.fp32.product = {forward<float>, pack_all<float>, forward_packed<float>, input_gradient<float, float>, input_gradient<float, float>, weight_gradient};
#ifdef __AVX512BF16__
  t.bf16_.product = {forward<bf16>, pack_all<bf16>, forward_packed<bf16>, input_gradient<bf16, bf16>, input_gradient<bf16, float>, weight_gradient};
#endif
#ifdef __AVX512VNNI__
  t.common.int8_pack = pack_all<int8_t>;
  t.common.int8_forward = int8_forward;
#endif
}

#else  // without AVX-512 a library multiplies

void register_product(Table&) {}

#endif

}  // namespace vectune::kernels::VECTUNE_SIMD
