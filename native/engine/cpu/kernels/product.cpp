#include <algorithm>

#include "cpu/kernels/registry.h"
#include "cpu/kernels/simd.h"
#include "cpu/kernels/team.h"
#include "cpu/kernels/tiles.h"
#include "cpu/kernels/words.h"
#include "runtime/shared_pieces.h"

// C = A·B in tiles (tiles.h) of kTile × kPanel sums (Goto & van de Geijn 2008):
//   for each kProductPanel columns of B, copied in panels of kPanel so that one step of k reads a few whole vectors
//     for each kTile rows of A
//       for each of the panels
//         C[i, j] = Σ_k A[i, k]·B[k, j]         one number of A, times a vector of B
// Few rows (a short text, kFewRows) are not worth the copy; x·Wᵀ is then made of dot products along k, where both are
// dense:
//   y[i, j] = Σ_lanes Σ_k x[i, k]·W[j, k]     a vector of each
// Where W stays as it is (inference), all its panels are copied once and for all, and every number of rows goes by
// tiles. A sum runs over k in order, whatever the number of threads.
namespace vectune::kernels::VECTUNE_SIMD {

#ifdef __AVX2__

namespace {

// What is worked on at a time stays in the caches: where panels are narrow, a panel of a slice in the first and the
// rows of some tiles in the second.
constexpr int64_t kSlice = kPanel == kProductPanel ? int64_t{1} << 40 : 384, kTilesAtOnce = 16;
constexpr int kDotOutputs = 4, kDotRows = kLanes / kDotOutputs;  // their sums make one vector

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
    sum -= __builtin_convertvector(sums, I) * kQuantisedOffset;
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
      store_word(panel + i * kPanel + j * kInWord<T>, word_of_rows(b + i * row + j, row, n - j));
  }
}

/// Asks for a share of what the next panel will be packed from: part `part` of `parts` of `rows` rows of `width`
/// elements.
template <typename T>
inline void prefetch_share(const T* b, int64_t row, int64_t rows, int64_t width, int64_t part, int64_t parts) {
  const int64_t lines = (width + kLine<T> - 1) / kLine<T> + 1, all = rows * lines;  // rows need not begin on a line
  for (int64_t i = all * part / parts; i < all * (part + 1) / parts; ++i)
    __builtin_prefetch(b + i / lines * row + std::min(i % lines * kLine<T>, width - 1), 0, 3);
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

/// A given as its transpose [k × m], row-major, `row` apart: one line has what a step of k needs of several tiles.
struct Transposed {
  using Element = float;
  const float* a;
  int64_t row;

  Transposed at(int64_t r) const { return {a + r, row}; }
  Transposed from(int64_t k) const { return {a + k * row, row}; }
  const float* word(int r, int64_t k) const { return a + k * row + r; }
  void expect_line(int64_t) const {}
  /// Each row lies on another page: this tile's are asked for.
  void expect_step(int64_t k) const { __builtin_prefetch(a + (k + 24) * row); }
};

// --- tiles ------------------------------------------------------------------------------------------------------

/// C[rows × width] (+)= A[rows × k] · panels, of which there are enough for `width` columns.
template <bool kStream, typename A, typename T, typename Finish>
void tiles(int64_t rows, int64_t width, A a, const T* panels, int64_t k, const Finish& finish) {
  for (int64_t j = 0; j < width; j += kPanel)
    tile_of_width<kStream>(rows, std::min(kPanel, width - j), a, panels + j * k, k, finish.at(0, j));
}

/// C[m × n] (+)= A[m × k]·B, B being [k × n], or (kTransposed) given as [n × k].
template <bool kTransposed, typename A, typename T, typename C>
void multiply_slice(A a, const T* b, int64_t b_row, C* c, int64_t m, int64_t n, int64_t k, bool accumulate, T* panels) {
  const Store<C> all{c, n, accumulate};
  const int64_t columns = (n + kProductPanel - 1) / kProductPanel, blocks = (m + kTile - 1) / kTile;
  const auto matrix_at = [&](int64_t column) { return b + (kTransposed ? column * b_row : column); };
  SharedPieces pieces(columns * blocks, kTilesAtOnce, blocks, ThreadTeam::size());
  on_team([&](int thread, int) {
    T* own = panels + thread * k * kProductPanel;
    for (int64_t begin, end, packed = -1; pieces.take(thread, begin, end);) {
      const int64_t column = begin / blocks, from = column * kProductPanel, width = std::min(kProductPanel, n - from);
      for (int64_t j = 0; column != packed && j < width; j += kPanel) {
        if constexpr (kTransposed)
          pack_transposed(matrix_at(from + j), b_row, std::min(kPanel, width - j), k, own + j * k);
        else pack(matrix_at(from + j), b_row, std::min(kPanel, width - j), k, own + j * k);
      }
      packed = column;
      const bool goes_on = pieces.shares(thread, begin) && pieces.shares(thread, (column + 1) * blocks);
      const int64_t next = from + kProductPanel, next_width = goes_on ? std::min(kProductPanel, n - next) : 0;
      for (int64_t j = 0; j < width; j += kPanel)
        for (int64_t block = begin - column * blocks; block < end - column * blocks; ++block) {
          if (next_width > 0 && j == 0) {
            if constexpr (kTransposed) prefetch_share(matrix_at(next), b_row, next_width, k, block, blocks);
            else prefetch_share(matrix_at(next), b_row, k, next_width, block, blocks);
          }
          const int64_t r = block * kTile;
          tile_of_width<false>(std::min<int64_t>(kTile, m - r), std::min(kPanel, width - j), a.at(r), own + j * k, k,
                               all.at(r, from + j));
        }
    }
  });
}

/// As multiply_slice, k in slices.
template <bool kTransposed, typename A, typename T, typename C>
void multiply(A a, const T* b, int64_t b_row, C* c, int64_t m, int64_t n, int64_t k, bool accumulate, T* panels) {
  for (int64_t first = 0; first < k; first += kSlice)
    multiply_slice<kTransposed>(a.from(first), b + (kTransposed ? first : first * b_row), b_row, c, m, n,
                                std::min(kSlice, k - first), accumulate || first > 0, panels);
}

// --- fixed weights ----------------------------------------------------------------------------------------------

/// Rows are cut into tiles of about the same height.
template <typename X, typename T, typename Finish>
void multiply_packed(const X* x, const T* packed, int64_t rows, int64_t in, int64_t out, const Finish& finish) {
  const int64_t columns = (out + kProductPanel - 1) / kProductPanel, blocks = (rows + kTile - 1) / kTile;
  for_parts(columns * blocks, [&](int64_t begin, int64_t end, int) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t from = at / blocks * kProductPanel, block = at % blocks;
      const int64_t r = rows * block / blocks, height = rows * (block + 1) / blocks - r;
      const auto run = [&](auto stream) {
        tiles<stream()>(height, std::min(kProductPanel, out - from), Rows<X>{x, in}.at(r), packed + from * in, in,
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
      else
        for (int64_t last = o; last < out; ++last) outputs(last, std::integral_constant<int, 1>{});
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

/// Whether a weight's gradient is made from dyᵀ: pairs of rows lie apart in dy, several narrow tiles would each read
/// every line of dy that they share, and the rows of a wide one lie in a few sets of the cache. Few columns of x are
/// not worth it.
template <typename T>
constexpr bool transposes(int64_t in, int64_t out) {
  return kInWord<T> > 1 || kPanel < kProductPanel || (out >= 1024 && in >= 768);
}

template <typename T>
int64_t weight_gradient_scratch(int64_t rows, int64_t in, int64_t out, int64_t threads) {
  const int64_t depth = std::min(rows, kProductDepth);
  return product_panels(depth, threads) + (transposes<T>(in, out) ? out * transposed_row(depth) : 0);
}

template <typename T>
void weight_gradient(const T* dy, const T* x, float* dw, int64_t rows, int64_t in, int64_t out, bool accumulate,
                     void* scratch) {
  const int64_t most = std::min(kProductDepth, rows);
  T* const transposed = static_cast<T*>(scratch);
  T* const panels = transposed + (transposes<T>(in, out) ? out * transposed_row(most) : 0);
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t depth = std::min(most, rows - first);
    const auto add = [&](auto dy_t) {
      multiply<false>(dy_t, x + first * in, in, dw, out, in, depth, accumulate || first > 0, panels);
    };
    if (transposes<T>(in, out)) {
      const int64_t row = transposed_row(depth), words = depth / kInWord<T>;
      // by rows, as they were written: they are in the thread's cache
      for_parts((words + kLanes - 1) / kLanes, [&](int64_t begin, int64_t end, int) {
        transpose_words(dy + first * out, out, depth, begin * kLanes, std::min(words, end * kLanes), transposed, row);
      });
      add(Rows<T>{transposed, row});
    } else if constexpr (kInWord<T> == 1) {
      add(Transposed{dy + first * out, out});
    }
  }
}

#ifndef __AVX512BF16__
void int8_pack(const int8_t* w, int64_t in, int64_t out, int8_t* packed) {
  pack_all(w, quantised_row(in), out, packed);
}

void int8_forward(const void* x, const float* scales_and_zeros, const int8_t* packed, const float* w_scales,
                  const float* w_sums, float* y, int64_t rows, int64_t in, int64_t out) {
  multiply_packed(static_cast<const QuantisedX*>(x), packed, rows, quantised_row(in), out,
                  Dequantise{y, out, scales_and_zeros, w_scales, w_sums});
}
#endif

}  // namespace

void register_product(Table& t) {
#ifndef VECTUNE_BASE
  t.fp32.product = {forward<float>,
                    pack_all<float>,
                    forward_packed<float>,
                    input_gradient<float, float>,
                    input_gradient<float, float>,
                    weight_gradient<float>,
                    weight_gradient_scratch<float>};
#endif
#ifdef __AVX512BF16__
  t.bf16_.product = {forward<bf16>,
                     pack_all<bf16>,
                     forward_packed<bf16>,
                     input_gradient<bf16, bf16>,
                     input_gradient<bf16, float>,
                     weight_gradient<bf16>,
                     weight_gradient_scratch<bf16>};
#else
  t.common.int8_pack = int8_pack;
  t.common.int8_forward = int8_forward;
#endif
}

#else  // without AVX2 a library multiplies

void register_product(Table&) {}

#endif

}  // namespace vectune::kernels::VECTUNE_SIMD
