#include <algorithm>

#include "cpu/kernels/registry.h"
#include "cpu/kernels/tiles.h"

// Search by products: tiles (tiles.h) of some rows and some queries, whose sums go from the registers into a comparison
// with the least that each query still takes. Few are above it, and no sum is written anywhere else.
namespace vectune::kernels::VECTUNE_SIMD {
namespace {

/// Rows that meet all queries of a call while they are in the cache: whole tiles.
constexpr int64_t kRowsAtOnce = 8 * kTile;

/// A bit for each lane of a that is above b.
inline unsigned lanes_above(F a, F b) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), _CMP_GT_OQ);
#elif defined(__AVX2__)
  return static_cast<unsigned>(
      _mm256_movemask_ps(_mm256_cmp_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), _CMP_GT_OQ)));
#else
  const I above = a > b;
  unsigned bits = 0;
  for (int lane = 0; lane < kLanes; ++lane) bits |= static_cast<unsigned>(above[lane] & (1 << lane));
  return bits;
#endif
}

__attribute__((noinline)) void keep(const Hits& found, F similarities, unsigned lanes, int64_t query, int32_t row) {
  float of[kLanes];
  store(of, similarities);
  for (; lanes != 0; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    const int64_t q = query + lane;
    int32_t& held = found.held[q];
    found.hits[q * found.capacity + held] = {of[lane], row};
    if (++held == found.capacity) found.cut(found, q);
  }
}

/// Where a tile's sums go.
template <typename T>
struct Offer {
  const Search<T>& search;
  int64_t row, query;

  void operator()(F sum, int64_t r, int64_t j, int) const { offer(sum, row + r, query + j); }
  void operator()(I sum, int64_t r, int64_t j, int) const {
    I sums;
    std::memcpy(&sums, search.query_sums + query + j, sizeof sums);
    sum -= sums * kQuantisedOffset;
    F similarity = __builtin_convertvector(sum, F);
    if (search.row_factors != nullptr)
      similarity = similarity * search.row_factors[row + r] * load(search.query_factors + query + j);
    offer(similarity, row + r, query + j);
  }
  void offer(F similarity, int64_t r, int64_t q) const {
    const unsigned above = lanes_above(similarity, load(search.found.least + q));
    if (__builtin_expect(above != 0, 0))
      keep(search.found, similarity, above, q, search.first + static_cast<int32_t>(r));
  }
  void expect(int64_t, int64_t) const {}
};

template <typename T>
const T* rows_at(const Search<T>& search, int64_t row, int64_t) {
  return search.rows + row * search.width;
}
/// As a product takes them, in the scratch. (What bytes are written to may be anything, the search too, unless it is
/// said that it is not.)
void as_product_takes(const int8_t* __restrict__ from, int64_t width, QuantisedX* __restrict__ x) {
  const int64_t depth = quantised_row(width);
  for (int64_t i = 0; i < width; ++i) x[i] = static_cast<QuantisedX>(from[i] + kQuantisedOffset);
  for (int64_t i = width; i < depth; ++i) x[i] = 0;
}
const QuantisedX* rows_at(const Search<int8_t>& search, int64_t row, int64_t rows) {
  auto* const to = static_cast<QuantisedX*>(search.scratch);
  const int64_t width = search.width, depth = quantised_row(width);
  for (int64_t r = 0; r < rows; ++r) as_product_takes(search.rows + (row + r) * width, width, to + r * depth);
  return to;
}

template <typename T>
void search(const Search<T>& search) {
  using X = typename XOf<T>::Type;
  const int64_t depth = std::is_same_v<T, float> ? search.width : quantised_row(search.width);
  for (int64_t from = 0; from < search.count; from += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, search.count - from);
    const Rows<X> x{rows_at(search, from, rows), depth};
    for (int64_t q = search.begin; q < search.end; q += kPanel)
      for (int64_t r = 0; r < rows; r += kTile)
        tile_of_width<false>(std::min<int64_t>(kTile, rows - r), std::min(kPanel, search.end - q), x.at(r),
                             search.queries + q * depth, depth, Offer<T>{search, from + r, q});
  }
}

/// Queries as search_bits reads them: of kLanes queries the first words, then the second ones, and so on.
void pack_bits(const uint8_t* queries, int64_t width, int64_t count, uint8_t* packed) {
  constexpr int64_t kWord = sizeof(uint64_t);
  for (int64_t q = 0; q < count; q += kLanes)
    for (int64_t at = 0; at < width; at += kWord)
      for (int64_t lane = 0; lane < kLanes; ++lane, packed += kWord) {
        if (q + lane < count) std::memcpy(packed, queries + (q + lane) * width + at, kWord);
        else std::memset(packed, 0, kWord);
      }
}

/// Rows that meet all queries while they are in the cache, by `differ`, which gives how many bits of a row differ from
/// those of each of kLanes queries, negative. A macro, as no function may be inlined where other instructions are had.
#define VECTUNE_SEARCH_BITS(search, differ)                                                            \
  const int64_t words = (search).width / static_cast<int64_t>(sizeof(uint64_t));                       \
  const auto* const queries = reinterpret_cast<const uint64_t*>((search).queries);                     \
  for (int64_t from = 0; from < (search).count; from += kRowsAtOnce)                                   \
    for (int64_t q = (search).begin; q < (search).end; q += kLanes)                                    \
      for (int64_t r = from; r < std::min((search).count, from + kRowsAtOnce); ++r) {                  \
        const F similarities = differ((search).rows + r * (search).width, queries + q * words, words); \
        const unsigned above = lanes_above(similarities, load((search).found.least + q));              \
        if (__builtin_expect(above != 0, 0))                                                           \
          keep((search).found, similarities, above, q, (search).first + static_cast<int32_t>(r));      \
      }

inline F differ_by_words(const uint8_t* row, const uint64_t* at, int64_t words) {
  int32_t sums[kLanes] = {};
  for (int64_t w = 0; w < words; ++w, at += kLanes) {
    uint64_t word;
    std::memcpy(&word, row + w * static_cast<int64_t>(sizeof word), sizeof word);
#pragma GCC unroll 16
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] += __builtin_popcountll(word ^ at[lane]);
  }
  float of[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) of[lane] = -static_cast<float>(sums[lane]);
  return load(of);
}

void search_bits(const Search<uint8_t>& search) { VECTUNE_SEARCH_BITS(search, differ_by_words) }

#if defined(__AVX512VNNI__) && !defined(VECTUNE_EMULATED_VNNI)
/// Eight words at once, where the processor counts their bits, which not all that have VNNI do.
__attribute__((target("avx512vpopcntdq"))) inline F differ_by_eight(const uint8_t* row, const uint64_t* at,
                                                                    int64_t words) {
  __m512i low = _mm512_setzero_si512(), high = low;
  for (int64_t w = 0; w < words; ++w, at += kLanes) {
    int64_t word;
    std::memcpy(&word, row + w * static_cast<int64_t>(sizeof word), sizeof word);
    const __m512i x = _mm512_set1_epi64(word);
    low = _mm512_add_epi64(low, _mm512_popcnt_epi64(_mm512_xor_si512(x, _mm512_loadu_si512(at))));
    high = _mm512_add_epi64(high, _mm512_popcnt_epi64(_mm512_xor_si512(x, _mm512_loadu_si512(at + 8))));
  }
  const __m512i sums =
      _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32(low)), _mm512_cvtepi64_epi32(high), 1);
  return reinterpret_cast<F>(_mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_setzero_si512(), sums)));
}
__attribute__((target("avx512vpopcntdq"))) void search_bits_by_eight(const Search<uint8_t>& search){
    VECTUNE_SEARCH_BITS(search, differ_by_eight)}
#endif

int64_t search_scratch(int64_t width) {
  return kRowsAtOnce * quantised_row(width) * static_cast<int64_t>(sizeof(QuantisedX));
}

}  // namespace

void register_search(Table& t) {
  t.common.search = search<float>;
  t.common.search_int8 = search<int8_t>;
  t.common.search_bits = search_bits;
#if defined(__AVX512VNNI__) && !defined(VECTUNE_EMULATED_VNNI)
  if (__builtin_cpu_supports("avx512vpopcntdq")) t.common.search_bits = search_bits_by_eight;
#endif
  t.common.search_pack_bits = pack_bits;
  t.common.search_pack = pack_all<float>;
  t.common.search_pack_int8 = pack_all<int8_t>;
  t.common.search_scratch = search_scratch;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
