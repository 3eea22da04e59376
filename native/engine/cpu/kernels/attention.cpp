#include <algorithm>

#include "cpu/kernels/mask.h"
#include "cpu/kernels/registry.h"
#include "cpu/kernels/team.h"
#include "cpu/kernels/words.h"
#include "model/relative_buckets.h"

// Attention of one (text, head) at a time, tile by tile of queries, in a small scratch (heads that share keys and
// values one after the other):
//   S = QKᵀ/√d + B   P = softmax(S)   O = (mask∘P) V, B a bias by distance or nothing
// Only log Σ eˢ of each query is kept; backward makes P again from it, so that memory grows with the
// number of tokens and not with its square (Dao et al. 2022, FlashAttention).
//   dP = mask∘(dO Vᵀ)   dS = P∘(dP − rowsum(P∘dP))   dQ = dS K/√d   dK = dSᵀQ/√d   dV = (mask∘P)ᵀ dO
// Sums, softmax and gradients are fp32. What is multiplied is fp32 too, but for long texts in bf16 where there is an
// instruction that multiplies two pairs of bf16.
//
// A tile of queries is multiplied with the keys within its reach and no others: a bounded reach costs what it computes,
// and what of it a query does not see gets no probability. `kWhole` is the reach that covers the text.
//
// Operands are in words (words.h). Of a matrix that is summed over its columns a word has two
// neighbours in a row (`rows`), of one that is summed over its rows two in a column (`pairs`). In fp32 they are the
// same.
namespace vectune::kernels {

namespace {
constexpr int64_t kTile = kAttentionTile;
constexpr int64_t round_up(int64_t n, int64_t to = 16) { return (n + to - 1) / to * to; }
}  // namespace

namespace VECTUNE_SIMD {
namespace {

template <typename W>
constexpr int64_t words(int64_t n) {
  return (n + kInWord<W> - 1) / kInWord<W>;
}

/// Where one thread keeps the head it works on. Rows of `width` = head size rounded up, keys rounded up too.
template <typename W>
struct Scratch {
  struct Operand {
    W *rows, *pairs;
  };
  int64_t width, keys;
  Operand q, k, v, dout, p, ds;  // p: mask∘P
  W *k_t, *v_t;                  // words of the rows, transposed
  float *dq, *dk, *dv, *scores, *grads;
  float* distances;  // sums of dS, from the farthest key on the left; there with a bias by distance only

  Scratch(float* base, int64_t tokens, int64_t head_size)
      : width(round_up(head_size, kLanes * kInWord<W>)), keys(round_up(tokens)) {
    const auto floats = [&](int64_t count) {
      float* at = base;
      base += count;
      return at;
    };
    const auto elements = [&](int64_t count) { return reinterpret_cast<W*>(floats(count / kInWord<W>)); };
    const int64_t block = keys * width, tile = kTile * keys;
    const auto operand = [&](int64_t count) {
      W* rows = elements(count);
      return Operand{rows, kInWord<W> == 1 ? rows : elements(count)};
    };
    q = operand(block), k = operand(block), v = operand(block), dout = operand(block);
    k_t = elements(block), v_t = elements(block);
    dk = floats(block), dv = floats(block);
    dq = floats(kTile * width);
    scores = floats(tile), grads = floats(tile);
    p = operand(tile);
    if constexpr (kInWord<W> == 1) ds = {grads, grads};
    else ds = operand(tile);
    distances = base;
  }
};

// kBlockRows × kBlockVectors vectors of sums, kBlockVectors of B and one of A fit the registers.
constexpr int kBlockRows = kRegisters == 32 ? 4 : 6, kBlockVectors = kRegisters == 32 ? 4 : 2;

/// C[m × n] (+)= A[m × k] · B[k × n], k counted in words; A is read word by word with any strides (in elements), B and
/// C in rows of whole vectors (n a multiple of kLanes; ldb in words).
template <int kRows, int kVectors, typename W>
inline void multiply_block(int64_t k, const W* a, int64_t a_row, int64_t a_column, const W* b, int64_t ldb, float* c,
                           int64_t ldc, bool accumulate) {
  F acc[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) acc[i][j] = accumulate ? load(c + i * ldc + j * kLanes) : F{};
  for (int64_t p = 0; p < k; ++p) {
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j)
        acc[i][j] = multiply_add(acc[i][j], load_word(b + (p * ldb + j * kLanes) * kInWord<W>),
                                 broadcast_word(a + i * a_row + p * a_column), a);
  }
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j) store(c + i * ldc + j * kLanes, acc[i][j]);
}

template <int kVectors, typename W>
inline void multiply_columns(int64_t m, int64_t k, const W* a, int64_t a_row, int64_t a_column, const W* b, int64_t ldb,
                             float* c, int64_t ldc, bool accumulate) {
  int64_t i = 0;
  for (; i + kBlockRows <= m; i += kBlockRows)
    multiply_block<kBlockRows, kVectors>(k, a + i * a_row, a_row, a_column, b, ldb, c + i * ldc, ldc, accumulate);
  const auto rest = [&](auto rows) {
    if (((m - i) & rows()) == 0) return;
    multiply_block<rows(), kVectors>(k, a + i * a_row, a_row, a_column, b, ldb, c + i * ldc, ldc, accumulate);
    i += rows();
  };
  if constexpr (kBlockRows > 4) rest(std::integral_constant<int, 4>{});
  rest(std::integral_constant<int, 2>{});
  rest(std::integral_constant<int, 1>{});
}

template <typename W>
inline void multiply(int64_t m, int64_t n, int64_t k, const W* a, int64_t a_row, int64_t a_column, const W* b,
                     int64_t ldb, float* c, int64_t ldc, bool accumulate) {
  int64_t j = 0;
  for (; j + kBlockVectors * kLanes <= n; j += kBlockVectors * kLanes)
    multiply_columns<kBlockVectors>(m, k, a, a_row, a_column, b + j * kInWord<W>, ldb, c + j, ldc, accumulate);
  if constexpr (kBlockVectors > 2) {
    for (; j + 2 * kLanes <= n; j += 2 * kLanes)
      multiply_columns<2>(m, k, a, a_row, a_column, b + j * kInWord<W>, ldb, c + j, ldc, accumulate);
  }
  for (; j < n; j += kLanes)
    multiply_columns<1>(m, k, a, a_row, a_column, b + j * kInWord<W>, ldb, c + j, ldc, accumulate);
}

/// A head's rows out of the packed matrix: to[i] = (x[i] + bias) · scale, padded with zeros to `width`.
template <typename T, typename W>
void gather(const T* x, int64_t stride, const float* bias, float scale, int64_t tokens, int64_t head_size,
            int64_t width, W* to) {
  for (int64_t i = 0; i < tokens; ++i) {
    W* row = to + i * width;
    for_lanes(head_size, [&](int64_t c, auto n) {
      __builtin_prefetch(x + i * stride + head_size + c);  // the next head, which mostly is the thread's next
      F value = load(x + i * stride + c, n);
      if (bias) value += load(bias + c, n);
      store(row + c, value * scale, n);
    });
    std::fill(row + head_size, row + width, W{});
  }
}

/// Words of rows i and i + 1, where there is one, for each even i.
inline void make_pairs(Scratch<float>::Operand, int64_t, int64_t) {}
inline void make_pairs(Scratch<bf16>::Operand x, int64_t count, int64_t width) {
  for (int64_t i = 0; i < count; i += 2)
    for (int64_t c = 0; c < width; c += kLanes) {
      const bf16* at = x.rows + i * width + c;
      store_word(x.pairs + i * width + 2 * c, i + 1 < count ? word_of_rows(at, width, kLanes) : widen(at));
    }
}

/// Words of the rows: to[c][i] = x[i][c]; columns beyond the tokens are zero.
template <typename W>
void transpose_rows(const W* x, int64_t tokens, int64_t width, int64_t keys, W* to) {
  for (int64_t i = 0; i < keys; i += kLanes)
    for (int64_t c = 0; c < width / kInWord<W>; c += kLanes) {
      U block[kLanes];
      for (int64_t k = 0; k < kLanes; ++k)
        block[k] = i + k < tokens ? load_word(x + (i + k) * width + c * kInWord<W>) : U{};
      transpose(block);
      for (int64_t k = 0; k < kLanes; ++k) store_word(to + ((c + k) * keys + i) * kInWord<W>, block[k]);
    }
}

template <typename T>
void scatter(const float* from, int64_t width, float scale, int64_t tokens, int64_t head_size, T* x, int64_t stride) {
  for (int64_t i = 0; i < tokens; ++i)
    for_lanes(head_size, [&](int64_t c, auto n) { store(x + i * stride + c, load(from + i * width + c) * scale, n); });
}

/// Key of the mask's row: the query's row of its text, told apart by head.
inline uint32_t mask_row(const Dropout& d, const Rows& rows, int64_t row, int64_t head) {
  return row_hash(d.key + static_cast<uint64_t>(head) * 0x9e3779b97f4a7c15ull, rows.row_keys[row]);
}

template <bool kWhole>
inline KeySpan span_of(const Reach& reach, int64_t from, int64_t queries, int64_t tokens, int64_t keys) {
  if constexpr (kWhole) return {0, tokens, keys};
  else return keys_within(reach, from, queries, tokens);
}

/// Scores of keys that a query does not see.
template <bool kWhole>
inline void hide(const Reach& reach, const KeySpan& span, int64_t query, float* scores) {
  constexpr float kHidden = -1e30f;
  if constexpr (!kWhole) {
    const int64_t first = std::clamp<int64_t>(query - reach.before - span.first, 0, span.seen),
                  end = std::clamp<int64_t>(query + reach.after + 1 - span.first, first, span.seen);
    std::fill(scores, scores + first, kHidden);
    std::fill(scores + end, scores + span.seen, kHidden);
  }
  for (int64_t j = span.seen; j < span.padded; ++j) scores[j] = kHidden;
}

/// The bias of one query's scores, of keys from `first` on.
inline void add_relative(const RelativeBias& relative, int64_t head, int64_t query, int64_t first, int64_t keys,
                         float* scores) {
  const float* bias = relative.scores + head * relative.stride + relative.zero - query + first;
  for (int64_t j = 0; j < keys; j += kLanes) store(scores + j, load(scores + j) + load(bias + j));
}

/// Sums by distance, from −(tokens − 1) on, as sums by bucket.
inline void sum_buckets(const float* distances, int64_t tokens, float* buckets) {
  std::fill(buckets, buckets + kRelativeBuckets, 0.0f);
  for (int64_t d = 1 - tokens; d < tokens; ++d) buckets[relative_bucket(d)] += distances[d + tokens - 1];
}

/// Where a row has queries, keys and values of a head of keys, in elements of it.
struct HeadPlaces {
  int64_t group, row, query, key, value;  // heads of queries that share the keys; the row's width; of the first of them

  template <typename Args>
  HeadPlaces(const Args& a, int64_t key_head) {
    const int64_t d = a.head_size, keys = key_heads_of(a);
    group = a.heads / keys;
    row = (a.heads + 2 * keys) * d;
    query = key_head * group * d;
    key = (a.heads + key_head) * d;
    value = (a.heads + keys + key_head) * d;
  }
  template <typename Args>
  static int64_t key_heads_of(const Args& a) {
    return a.key_heads > 0 ? a.key_heads : a.heads;
  }
};

template <typename W, bool kWhole, typename T>
void forward_queries(const AttentionForward<T>& a, const Scratch<W>& s, int64_t text, int64_t head) {
  const int64_t first = a.rows.starts[text], tokens = a.rows.starts[text + 1] - first;
  const int64_t hidden = a.heads * a.head_size, d = a.head_size;
  for (int64_t from = 0; from < tokens; from += kTile) {
    const int64_t queries = std::min(kTile, tokens - from);
    const KeySpan span = span_of<kWhole>(a.reach, from, queries, tokens, s.keys);
    const int64_t keys = span.padded;
    multiply(queries, keys, words<W>(d), s.q.rows + from * s.width, s.width, kInWord<W>,
             s.k_t + span.first * kInWord<W>, s.keys, s.scores, keys, false);
    for (int64_t i = 0; i < queries; ++i) {
      float* row = s.scores + i * keys;
      W* p = s.p.rows + i * keys;
      if (a.relative.scores) add_relative(a.relative, head, from + i, span.first, keys, row);
      hide<kWhole>(a.reach, span, from + i, row);
      F m = splat(-1e30f);
      for (int64_t j = 0; j < keys; j += kLanes) m = max(m, load(row + j));
      const float top = max(m);
      F total{};
      for (int64_t j = 0; j < keys; j += kLanes) {
        const F e = exp(load(row + j) - top);
        total += e;
        store(row + j, e);
      }
      const float z = sum(total);
      if (a.logsumexp) a.logsumexp[head * a.rows.rows + first + from + i] = top + std::log(z);
      const float inverse = 1.0f / z;
      if (a.dropout.on()) {
        const uint32_t key = mask_row(a.dropout, a.rows, first + from + i, head);
        for (int64_t j = 0; j < keys; j += kLanes)
          store(p + j, load(row + j) * inverse * keep(a.dropout, key, span.first + j));
      } else {
        for (int64_t j = 0; j < keys; j += kLanes) store(p + j, load(row + j) * inverse);
      }
    }
    multiply(queries, s.width, words<W>(span.seen), s.p.rows, keys, kInWord<W>, s.v.pairs + span.first * s.width,
             s.width, s.dq, s.width, false);
    scatter(s.dq, s.width, 1.0f, queries, d, a.out + (first + from) * hidden + head * d, hidden);
  }
}

template <typename W, bool kWhole, typename T>
void forward_head(const AttentionForward<T>& a, int64_t text, int64_t key_head, float* base) {
  const int64_t first = a.rows.starts[text], tokens = a.rows.starts[text + 1] - first, d = a.head_size;
  const HeadPlaces at(a, key_head);
  const Scratch<W> s(base, tokens, d);
  const T* qkv = a.qkv + first * at.row;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  gather(qkv + at.key, at.row, a.bias + at.key, 1.0f, tokens, d, s.width, s.k.rows);
  gather(qkv + at.value, at.row, a.bias + at.value, 1.0f, tokens, d, s.width, s.v.rows);
  transpose_rows(s.k.rows, tokens, s.width, s.keys, s.k_t);
  make_pairs(s.v, tokens, s.width);
  for (int64_t i = 0; i < at.group; ++i) {
    const int64_t query = at.query + i * d;
    gather(qkv + query, at.row, a.bias + query, scale, tokens, d, s.width, s.q.rows);
    forward_queries<W, kWhole>(a, s, text, key_head * at.group + i);
  }
}

template <typename W, bool kWhole, typename T>
void backward_queries(const AttentionBackward<T>& a, const Scratch<W>& s, int64_t text, int64_t head, T* dqkv,
                      int64_t row_width) {
  const int64_t first = a.rows.starts[text], tokens = a.rows.starts[text + 1] - first, d = a.head_size;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  if (a.drelative) std::memset(s.distances, 0, sizeof(float) * static_cast<size_t>(2 * s.keys));
  for (int64_t from = 0; from < tokens; from += kTile) {
    const int64_t queries = std::min(kTile, tokens - from), at = from * s.width;
    const KeySpan span = span_of<kWhole>(a.reach, from, queries, tokens, s.keys);
    const int64_t keys = span.padded, first_key = span.first * s.width;
    multiply(queries, keys, words<W>(d), s.q.rows + at, s.width, kInWord<W>, s.k_t + span.first * kInWord<W>, s.keys,
             s.scores, keys, false);
    multiply(queries, keys, words<W>(d), s.dout.rows + at, s.width, kInWord<W>, s.v_t + span.first * kInWord<W>, s.keys,
             s.grads, keys, false);
    // scores: S → P; grads: dO Vᵀ → dP
    for (int64_t i = 0; i < queries; ++i) {
      float* row = s.scores + i * keys;
      float* grad = s.grads + i * keys;
      const float lse = a.logsumexp[head * a.rows.rows + first + from + i];
      const uint32_t key = a.dropout.on() ? mask_row(a.dropout, a.rows, first + from + i, head) : 0;
      if (a.relative.scores) add_relative(a.relative, head, from + i, span.first, keys, row);
      hide<kWhole>(a.reach, span, from + i, row);
      F dot{};
      for (int64_t j = 0; j < keys; j += kLanes) {
        const F p = exp(load(row + j) - lse);
        F dp = load(grad + j), masked = p;
        if (a.dropout.on()) {
          const F mask = keep(a.dropout, key, span.first + j);
          dp *= mask;
          masked *= mask;
          store(grad + j, dp);
        }
        dot += p * dp;
        store(row + j, p);
        store(s.p.rows + i * keys + j, masked);
      }
      const float mean = sum(dot);
      if (a.drelative) {
        float* sums = s.distances + tokens - 1 - (from + i) + span.first;
        for (int64_t j = 0; j < keys; j += kLanes)
          store(sums + j, load(sums + j) + load(row + j) * (load(grad + j) - mean));
      }
      for (int64_t j = 0; j < keys; j += kLanes)
        store(s.ds.rows + i * keys + j, load(row + j) * (load(grad + j) - mean));
    }
    make_pairs(s.p, queries, keys);
    make_pairs(s.ds, queries, keys);
    multiply(span.seen, s.width, words<W>(queries), s.p.pairs, kInWord<W>, keys * kInWord<W>, s.dout.pairs + at,
             s.width, s.dv + first_key, s.width, true);
    multiply(queries, s.width, words<W>(span.seen), s.ds.rows, keys, kInWord<W>, s.k.pairs + first_key, s.width, s.dq,
             s.width, false);
    multiply(span.seen, s.width, words<W>(queries), s.ds.pairs, kInWord<W>, keys * kInWord<W>, s.q.pairs + at, s.width,
             s.dk + first_key, s.width, true);
    scatter(s.dq, s.width, scale, queries, d, dqkv + from * row_width, row_width);
  }
  if (a.drelative) sum_buckets(s.distances, tokens, a.drelative + (text * a.heads + head) * kRelativeBuckets);
}

template <typename W, bool kWhole, typename T>
void backward_head(const AttentionBackward<T>& a, int64_t text, int64_t key_head, float* base) {
  const int64_t first = a.rows.starts[text], tokens = a.rows.starts[text + 1] - first;
  const int64_t hidden = a.heads * a.head_size, d = a.head_size;
  const HeadPlaces at(a, key_head);
  const Scratch<W> s(base, tokens, d);
  const T* qkv = a.qkv + first * at.row;
  T* dqkv = a.dqkv + first * at.row;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  gather(qkv + at.key, at.row, a.bias + at.key, 1.0f, tokens, d, s.width, s.k.rows);
  gather(qkv + at.value, at.row, a.bias + at.value, 1.0f, tokens, d, s.width, s.v.rows);
  transpose_rows(s.k.rows, tokens, s.width, s.keys, s.k_t);
  transpose_rows(s.v.rows, tokens, s.width, s.keys, s.v_t);
  make_pairs(s.k, tokens, s.width);
  std::memset(s.dk, 0, sizeof(float) * static_cast<size_t>(tokens * s.width));
  std::memset(s.dv, 0, sizeof(float) * static_cast<size_t>(tokens * s.width));
  for (int64_t i = 0; i < at.group; ++i) {
    const int64_t query = at.query + i * d;
    gather(qkv + query, at.row, a.bias + query, scale, tokens, d, s.width, s.q.rows);
    gather(a.dout + first * hidden + query, hidden, nullptr, 1.0f, tokens, d, s.width, s.dout.rows);
    for (const auto& operand : {s.q, s.dout}) make_pairs(operand, tokens, s.width);
    backward_queries<W, kWhole>(a, s, text, key_head * at.group + i, dqkv + query, at.row);
  }
  scatter(s.dk, s.width, 1.0f, tokens, d, dqkv + at.key, at.row);  // q carries the scale already
  scatter(s.dv, s.width, 1.0f, tokens, d, dqkv + at.value, at.row);
}

/// work(W{}): what a text's heads are multiplied in. Of a short one, making pairs takes longer than is gained.
template <typename T, typename Work>
void in_words([[maybe_unused]] const Rows& rows, [[maybe_unused]] int64_t text, Work work) {
#ifdef __AVX512BF16__
  if (std::is_same_v<T, bf16> && rows.starts[text + 1] - rows.starts[text] >= kAttentionBf16Tokens) return work(bf16{});
#endif
  work(float{});
}

template <typename Args>
bool covers(const Args& a, int64_t text) {
  return a.reach.covers(a.rows.starts[text + 1] - a.rows.starts[text]);
}

/// Every (text, head of keys) writes its own part of the output, so any thread may take any of them.
template <typename Args, typename Head>
void for_heads(const Args& a, Head head_of) {
  const int64_t heads = HeadPlaces::key_heads_of(a), tasks = a.rows.texts * heads;
  for_each_when_free(tasks, heads == a.heads ? 4 : 1, [&](int64_t task, int thread) {
    head_of(a, task / heads, task % heads, a.scratch + thread * a.scratch_stride);
  });
}

template <typename T>
void attention_forward(const AttentionForward<T>& a) {
  for_heads(a, [](const auto& all, int64_t text, int64_t head, float* scratch) {
    in_words<T>(all.rows, text, [&](auto word) {
      if (covers(all, text)) forward_head<decltype(word), true>(all, text, head, scratch);
      else forward_head<decltype(word), false>(all, text, head, scratch);
    });
  });
  zero_rows(a.out, a.rows.rows, a.rows.padded, a.heads * a.head_size);
}

template <typename T>
void attention_backward(const AttentionBackward<T>& a) {
  for_heads(a, [](const auto& all, int64_t text, int64_t head, float* scratch) {
    in_words<T>(all.rows, text, [&](auto word) {
      if (covers(all, text)) backward_head<decltype(word), true>(all, text, head, scratch);
      else backward_head<decltype(word), false>(all, text, head, scratch);
    });
  });
  zero_rows(a.dqkv, a.rows.rows, a.rows.padded, HeadPlaces(a, 0).row);
}

}  // namespace

void register_attention(Table& t) {
#ifndef VECTUNE_BASE
  t.fp32.attention_forward = attention_forward<float>;
  t.fp32.attention_backward = attention_backward<float>;
#endif
  t.bf16_.attention_forward = attention_forward<bf16>;
  t.bf16_.attention_backward = attention_backward<bf16>;
}

}  // namespace VECTUNE_SIMD
}  // namespace vectune::kernels
