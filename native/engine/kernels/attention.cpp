#include <algorithm>

#include "mask.h"
#include "registry.h"
#include "team.h"

// Attention of one (text, head) at a time, tile by tile of queries, all in fp32 in a small scratch:
//   S = QKᵀ/√d   P = softmax(S)   O = (mask∘P) V
// Only log Σ eˢ of each query is kept; backward makes P again from it, so that memory grows with the
// number of tokens and not with its square (Dao et al. 2022, FlashAttention).
//   dP = mask∘(dO Vᵀ)   dS = P∘(dP − rowsum(P∘dP))   dQ = dS K/√d   dK = dSᵀQ/√d   dV = (mask∘P)ᵀ dO
namespace vectune::kernels {

namespace {
constexpr int64_t kTile = kAttentionTile;
constexpr int64_t round_up(int64_t n) { return (n + 15) / 16 * 16; }
}  // namespace

namespace VECTUNE_SIMD {
namespace {

/// Where one thread keeps the head it works on. Rows of `width` = head size rounded up, keys rounded up too.
struct Scratch {
  int64_t width, keys;
  float *q, *k_t, *v, *k, *v_t, *dout, *dq, *dk, *dv, *scores, *dropped, *grads;

  Scratch(float* base, int64_t tokens, int64_t head_size) : width(round_up(head_size)), keys(round_up(tokens)) {
    const auto take = [&](int64_t count) {
      float* at = base;
      base += count;
      return at;
    };
    const int64_t block = keys * width;
    q = take(block);
    k_t = take(block);
    v = take(block);
    k = take(block);
    v_t = take(block);
    dout = take(block);
    dq = take(kTile * width);
    dk = take(block);
    dv = take(block);
    scores = take(kTile * keys);
    dropped = take(kTile * keys);
    grads = take(kTile * keys);
  }
};

/// C[m × n] (+)= A[m × k] · B[k × n]; A is read element by element with any strides, B and C in rows of
/// whole vectors (n a multiple of kLanes).
template <int kRows, int kVectors>
inline void multiply_block(int64_t k, const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t ldb,
                           float* c, int64_t ldc, bool accumulate) {
  F acc[kRows][kVectors];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) acc[i][j] = accumulate ? load(c + i * ldc + j * kLanes) : F{};
  for (int64_t p = 0; p < k; ++p) {
    F bv[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) bv[j] = load(b + p * ldb + j * kLanes);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
      const F av = splat(a[i * a_row + p * a_column]);
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) acc[i][j] += av * bv[j];
    }
  }
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kVectors; ++j) store(c + i * ldc + j * kLanes, acc[i][j]);
}

template <int kVectors>
inline void multiply_columns(int64_t m, int64_t k, const float* a, int64_t a_row, int64_t a_column, const float* b,
                             int64_t ldb, float* c, int64_t ldc, bool accumulate) {
  int64_t i = 0;
  for (; i + 4 <= m; i += 4)
    multiply_block<4, kVectors>(k, a + i * a_row, a_row, a_column, b, ldb, c + i * ldc, ldc, accumulate);
  const auto rest = [&](auto rows) {
    if (((m - i) & rows()) == 0) return;
    multiply_block<rows(), kVectors>(k, a + i * a_row, a_row, a_column, b, ldb, c + i * ldc, ldc, accumulate);
    i += rows();
  };
  rest(std::integral_constant<int, 2>{});
  rest(std::integral_constant<int, 1>{});
}

inline void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_column, const float* b,
                     int64_t ldb, float* c, int64_t ldc, bool accumulate) {
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes)
    multiply_columns<4>(m, k, a, a_row, a_column, b + j, ldb, c + j, ldc, accumulate);
  for (; j + 2 * kLanes <= n; j += 2 * kLanes)
    multiply_columns<2>(m, k, a, a_row, a_column, b + j, ldb, c + j, ldc, accumulate);
  for (; j < n; j += kLanes)
    multiply_columns<1>(m, k, a, a_row, a_column, b + j, ldb, c + j, ldc, accumulate);
}

/// A head's rows out of the packed matrix: to[i] = (x[i] + bias) · scale, padded with zeros to `width`.
template <typename T>
void gather(const T* x, int64_t stride, const float* bias, float scale, int64_t tokens, int64_t head_size,
            int64_t width, float* to) {
  for (int64_t i = 0; i < tokens; ++i) {
    float* row = to + i * width;
    for_lanes(head_size, [&](int64_t c, auto n) {
      F value = load(x + i * stride + c, n);
      if (bias) value += load(bias + c, n);
      store(row + c, value * scale, n);
    });
    for (int64_t c = head_size; c < width; ++c) row[c] = 0.0f;
  }
}

/// to[c][i] = x[i][c]; columns beyond the tokens are zero.
void transpose_rows(const float* x, int64_t tokens, int64_t width, int64_t keys, float* to) {
  for (int64_t i = 0; i < keys; i += kLanes)
    for (int64_t c = 0; c < width; c += kLanes) {
      U block[kLanes];
      for (int64_t k = 0; k < kLanes; ++k)
        block[k] = i + k < tokens ? reinterpret_cast<U>(load(x + (i + k) * width + c)) : U{};
      transpose(block);
      for (int64_t k = 0; k < kLanes; ++k) store(to + (c + k) * keys + i, reinterpret_cast<F>(block[k]));
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

template <typename T>
void forward_head(const AttentionForward<T>& a, int64_t text, int64_t head, float* base) {
  const int64_t first = a.rows.starts[text], tokens = a.rows.starts[text + 1] - first;
  const int64_t hidden = a.heads * a.head_size, d = a.head_size;
  const Scratch s(base, tokens, d);
  const T* qkv = a.qkv + first * 3 * hidden + head * d;
  const float* bias = a.bias + head * d;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  gather(qkv, 3 * hidden, bias, scale, tokens, d, s.width, s.q);
  gather(qkv + hidden, 3 * hidden, bias + hidden, 1.0f, tokens, d, s.width, s.k);
  gather(qkv + 2 * hidden, 3 * hidden, bias + 2 * hidden, 1.0f, tokens, d, s.width, s.v);
  transpose_rows(s.k, tokens, s.width, s.keys, s.k_t);

  for (int64_t from = 0; from < tokens; from += kTile) {
    const int64_t queries = std::min(kTile, tokens - from);
    multiply(queries, s.keys, d, s.q + from * s.width, s.width, 1, s.k_t, s.keys, s.scores, s.keys, false);
    for (int64_t i = 0; i < queries; ++i) {
      float* row = s.scores + i * s.keys;
      for (int64_t j = tokens; j < s.keys; ++j) row[j] = -1e30f;
      F m = splat(-1e30f);
      for (int64_t j = 0; j < s.keys; j += kLanes) m = max(m, load(row + j));
      const float top = max(m);
      F total{};
      for (int64_t j = 0; j < s.keys; j += kLanes) {
        const F e = exp(load(row + j) - top);
        total += e;
        store(row + j, e);
      }
      const float z = sum(total);
      if (a.logsumexp) a.logsumexp[head * a.rows.rows + first + from + i] = top + std::log(z);
      const float inverse = 1.0f / z;
      if (a.dropout.on()) {
        const uint32_t key = mask_row(a.dropout, a.rows, first + from + i, head);
        for (int64_t j = 0; j < s.keys; j += kLanes) store(row + j, load(row + j) * inverse * keep(a.dropout, key, j));
      } else {
        for (int64_t j = 0; j < s.keys; j += kLanes) store(row + j, load(row + j) * inverse);
      }
    }
    multiply(queries, s.width, tokens, s.scores, s.keys, 1, s.v, s.width, s.dq, s.width, false);
    scatter(s.dq, s.width, 1.0f, queries, d, a.out + (first + from) * hidden + head * d, hidden);
  }
}

template <typename T>
void backward_head(const AttentionBackward<T>& a, int64_t text, int64_t head, float* base) {
  const int64_t first = a.rows.starts[text], tokens = a.rows.starts[text + 1] - first;
  const int64_t hidden = a.heads * a.head_size, d = a.head_size;
  const Scratch s(base, tokens, d);
  const T* qkv = a.qkv + first * 3 * hidden + head * d;
  const float* bias = a.bias + head * d;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  gather(qkv, 3 * hidden, bias, scale, tokens, d, s.width, s.q);
  gather(qkv + hidden, 3 * hidden, bias + hidden, 1.0f, tokens, d, s.width, s.k);
  gather(qkv + 2 * hidden, 3 * hidden, bias + 2 * hidden, 1.0f, tokens, d, s.width, s.v);
  gather(a.dout + first * hidden + head * d, hidden, nullptr, 1.0f, tokens, d, s.width, s.dout);
  transpose_rows(s.k, tokens, s.width, s.keys, s.k_t);
  transpose_rows(s.v, tokens, s.width, s.keys, s.v_t);
  std::memset(s.dk, 0, sizeof(float) * static_cast<size_t>(tokens * s.width));
  std::memset(s.dv, 0, sizeof(float) * static_cast<size_t>(tokens * s.width));

  T* dqkv = a.dqkv + first * 3 * hidden + head * d;
  for (int64_t from = 0; from < tokens; from += kTile) {
    const int64_t queries = std::min(kTile, tokens - from);
    const float* q = s.q + from * s.width;
    const float* dout = s.dout + from * s.width;
    multiply(queries, s.keys, d, q, s.width, 1, s.k_t, s.keys, s.scores, s.keys, false);
    multiply(queries, s.keys, d, dout, s.width, 1, s.v_t, s.keys, s.grads, s.keys, false);
    // scores: S → P; dropped: mask∘P; grads: dO Vᵀ → dS
    float* dropped = a.dropout.on() ? s.dropped : s.scores;
    for (int64_t i = 0; i < queries; ++i) {
      float* row = s.scores + i * s.keys;
      float* grad = s.grads + i * s.keys;
      const float lse = a.logsumexp[head * a.rows.rows + first + from + i];
      const uint32_t key = a.dropout.on() ? mask_row(a.dropout, a.rows, first + from + i, head) : 0;
      for (int64_t j = tokens; j < s.keys; ++j) row[j] = -1e30f;
      F dot{};
      for (int64_t j = 0; j < s.keys; j += kLanes) {
        const F p = exp(load(row + j) - lse);
        F dp = load(grad + j);
        if (a.dropout.on()) {
          const F mask = keep(a.dropout, key, j);
          dp *= mask;
          store(grad + j, dp);
          store(dropped + i * s.keys + j, p * mask);
        }
        dot += p * dp;
        store(row + j, p);
      }
      const float mean = sum(dot);
      for (int64_t j = 0; j < s.keys; j += kLanes) store(grad + j, load(row + j) * (load(grad + j) - mean));
    }
    multiply(tokens, s.width, queries, dropped, 1, s.keys, dout, s.width, s.dv, s.width, true);
    multiply(queries, s.width, tokens, s.grads, s.keys, 1, s.k, s.width, s.dq, s.width, false);
    multiply(tokens, s.width, queries, s.grads, 1, s.keys, q, s.width, s.dk, s.width, true);
    scatter(s.dq, s.width, scale, queries, d, dqkv + from * 3 * hidden, 3 * hidden);
  }
  scatter(s.dk, s.width, 1.0f, tokens, d, dqkv + hidden, 3 * hidden);  // q carries the scale already
  scatter(s.dv, s.width, 1.0f, tokens, d, dqkv + 2 * hidden, 3 * hidden);
}

/// Every (text, head) writes its own part of the output, so any thread may take any of them.
template <typename Args, typename Head>
void for_heads(const Args& a, Head head_of) {
  const int64_t tasks = a.rows.texts * a.heads;
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t task = 0; task < tasks; ++task)
    head_of(a, task / a.heads, task % a.heads, a.scratch + omp_get_thread_num() * a.scratch_stride);
}

template <typename T>
void attention_forward(const AttentionForward<T>& a) {
  for_heads(a, forward_head<T>);
  zero_rows(a.out, a.rows.rows, a.rows.padded, a.heads * a.head_size);
}

template <typename T>
void attention_backward(const AttentionBackward<T>& a) {
  for_heads(a, backward_head<T>);
  zero_rows(a.dqkv, a.rows.rows, a.rows.padded, 3 * a.heads * a.head_size);
}

}  // namespace

void register_attention(Table& t) {
  t.fp32.attention_forward = attention_forward<float>;
  t.fp32.attention_backward = attention_backward<float>;
  t.bf16_.attention_forward = attention_forward<bf16>;
  t.bf16_.attention_backward = attention_backward<bf16>;
}

}  // namespace VECTUNE_SIMD
}  // namespace vectune::kernels
