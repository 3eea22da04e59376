#pragma once
#include <algorithm>
#include <cstdint>

#include "cpu/bf16.h"
#include "model/hidden_activation.h"
#include "model/norm_kind.h"
#include "model/reach.h"
#include "nn/dropout.h"

/// The engine's own kernels: what LibTorch lacks for packed rows, or does in more passes than needed.
/// Each is compiled once per instruction set (folder kernels/) and reached through a table.
///
/// Terms: `rows` tokens of all texts lie one after the other; buffers have `padded` rows (rows rounded
/// up), and the kernels write zeros to the rows in between where a GEMM will read them. T is the type of
/// GEMM operands (float or bf16); sums, norms and gradients of vectors are fp32 in both.
/// A kernel's result depends on its inputs and the number of threads only: every reduction across
/// threads adds fixed parts in a fixed order.
namespace vectune::kernels {

/// kAvx512Vnni is AVX-512 with its int8 instructions (Cascade Lake, Ice Lake), kAvx512Bf16 with those of bf16 too.
enum class SimdLevel { kPlain, kAvx2, kAvx512, kAvx512Vnni, kAvx512Bf16 };
/// The best level of this processor; ATEN_CPU_CAPABILITY (avx2, default) narrows it as it does ATen's kernels.
SimdLevel simd_level();

using vectune::Dropout;

/// The packed batch as kernels see it.
struct Rows {
  int64_t rows = 0, padded = 0;
  int64_t texts = 0;
  const int32_t* starts = nullptr;      // [texts + 1], cu_seqlens
  const int32_t* ids = nullptr;         // [rows]
  const int32_t* positions = nullptr;   // [rows], rows of the position table
  const uint64_t* row_keys = nullptr;   // [rows], text index << 32 | token
  const int32_t* text_index = nullptr;  // [texts], index in the data
};

/// y = dropout(LN(word[id] + position[p] + type[0]))
template <typename T>
struct EmbeddingForward {
  Rows rows;
  int64_t hidden;
  const float *words, *positions, *types;  // the last two may be null
  const float *gamma, *beta;
  float eps;
  Dropout dropout;
  float *sum, *stats;                // [rows × hidden], [rows × 2] (mean, 1/σ) for backward; null in inference
  float* y;                          // [padded × hidden]
  T* y_t;                            // the same as T; null when T is float
  const bf16* half_words = nullptr;  // in place of `words`
};

/// y = scale · word[id]
struct EmbeddingLookup {
  Rows rows;
  int64_t hidden;
  const float* words;
  float scale;
  float* y;                          // [padded × hidden]
  const bf16* half_words = nullptr;  // in place of `words`
};

/// In place: dy → d(sum); dgamma and dbeta.
struct EmbeddingBackward {
  Rows rows;
  int64_t hidden;
  const float *sum, *stats, *gamma;
  Dropout dropout;
  float* dy;
  float *dgamma, *dbeta;
  bool accumulate;
  float* partials;  // [threads × 3 × hidden]
};

/// Adds d(sum) into the tables' gradients. Threads share columns, so the order of rows is kept.
struct EmbeddingScatter {
  Rows rows;
  int64_t hidden;
  const float* dsum;
  float *dwords, *dpositions, *dtypes;  // each may be null
};

/// y [texts × hidden] = the mean of the words' rows of each text; 0 where it has none.
struct BagForward {
  Rows rows;
  int64_t hidden;
  const float* words;
  float* y;
};

/// Adds d [texts × hidden], a text's share for each of its words, into the table's gradient. Threads share columns, so
/// the order of rows is kept.
struct BagBackward {
  Rows rows;
  int64_t hidden;
  const float* d;
  float* dwords;
};

/// sum = residual + dropout(branch + bias);  y = LN(sum)
template <typename T>
struct ResidualNormForward {
  Rows rows;
  int64_t hidden;
  const T* branch;
  const float *bias, *residual, *gamma, *beta;
  float eps;
  Dropout dropout;
  float *sum, *stats;  // null in inference
  float* y;
  T* y_t;  // null when T is float
};

/// In place: dy → d(residual); dbranch = dropout'(d(sum)); gradients of bias, gamma, beta.
template <typename T>
struct ResidualNormBackward {
  Rows rows;
  int64_t hidden;
  const float *sum, *stats, *gamma;
  Dropout dropout;
  float* dy;
  T* dbranch;
  float *dbias, *dgamma, *dbeta;
  bool accumulate;
  float* partials;  // [threads × 3 × hidden]
};

/// y = norm(x)
template <typename T>
struct NormForward {
  Rows rows;
  int64_t hidden;
  NormKind kind;
  const float *x, *gamma, *beta;
  float eps;
  float* stats;        // [rows × 2] (mean or 0, 1/σ) for backward; null in inference
  float* y;            // [padded × hidden], may be x; null where y_t is enough
  T* y_t;              // the same as T; may be null
  float shift = 0.0f;  // gamma is so much more
};

/// dx (+)= the gradient of x; dgamma and dbeta.
template <typename T>
struct NormBackward {
  Rows rows;
  int64_t hidden;
  NormKind kind;
  const float *x, *stats, *gamma;
  const T* dy;
  float* dx;  // may be dy
  bool add;   // to dx
  float *dgamma, *dbeta;
  bool accumulate;
  float* partials;     // [threads × 2 × hidden]
  float shift = 0.0f;  // gamma is so much more
};

/// sum = residual + y, y = branch/σ · (shift + gamma), σ² = mean(branch²) + eps
template <typename T>
struct NormedResidualForward {
  Rows rows;
  int64_t hidden;
  const T* branch;
  const float *gamma, *residual;
  float eps, shift;
  float* stats;  // [rows] (1/σ) for backward; null in inference
  float* sum;    // [rows × hidden], may be residual
};

/// dbranch = the gradient of branch; dgamma.
template <typename T>
struct NormedResidualBackward {
  Rows rows;
  int64_t hidden;
  const T* branch;
  const float *stats, *gamma;
  float shift;
  const float* dsum;
  T* dbranch;  // [padded × hidden]
  float* dgamma;
  bool accumulate;
  float* partials;  // [threads × hidden]
};

/// sum = residual + dropout(branch + bias)
template <typename T>
struct ResidualForward {
  Rows rows;
  int64_t hidden;
  const T* branch;
  const float *bias, *residual;
  Dropout dropout;
  float* sum;  // [rows × hidden], may be residual
};

/// dbranch = dropout'(dsum); dbias.
template <typename T>
struct ResidualBackward {
  Rows rows;
  int64_t hidden;
  Dropout dropout;
  const float* dsum;
  T* dbranch;
  float* dbias;
  bool accumulate;
  float* partials;  // [threads × hidden]
};

/// Rotary positions (Su et al. 2021), in place: `bias` is added to each row, and then of its first `heads` heads the
/// two halves, u and v, become u·cos − v·sin and v·cos + u·sin of the angles of the row's position. `back` turns by the
/// opposite angles, which is what the gradient needs.
template <typename T>
struct Rotate {
  Rows rows;
  int64_t heads, head_size, width;
  const float* bias;             // [width]; null: nothing
  const float *cosines, *sines;  // [positions × head_size / 2]
  bool back;
  T* x;  // [padded × width]
};

/// What each head of queries and keys goes through before attention: a norm, y = x/σ · (shift + gamma) with σ² =
/// mean(x²) + eps, queries times `query_scale`, and then the turn by the angles of its position, as Rotate has it.
struct HeadNorms {
  int64_t heads, key_heads, head_size;
  const float *query_gamma, *key_gamma;  // [head_size]
  float eps, shift, query_scale;
  const float *cosines, *sines;  // [positions × head_size / 2]
  int64_t width() const { return (heads + 2 * key_heads) * head_size; }
};
/// Values are copied.
template <typename T>
struct HeadNormsForward {
  Rows rows;
  HeadNorms norms;
  const T* x;  // [padded × width]
  T* y;        // may be x
};
/// In place: dy → dx; gradients of both gammas. That of values stays.
template <typename T>
struct HeadNormsBackward {
  Rows rows;
  HeadNorms norms;
  const T* x;
  T* dy;
  float *dquery_gamma, *dkey_gamma;
  bool accumulate;
  float* partials;  // [threads × 3 × head_size]
};

/// y = dropout(f(a)·b), a and b the halves of x + bias; `first`: a is the first half.
template <typename T>
struct GateForward {
  Rows rows;
  int64_t width;  // of y
  HiddenActivation activation;
  bool first;
  const T* x;         // [padded × 2·width]
  const float* bias;  // [2·width]
  Dropout dropout;
  T* y;  // [padded × width]
};

/// dx = the gradient of x; dbias its column sums.
template <typename T>
struct GateBackward {
  Rows rows;
  int64_t width;
  HiddenActivation activation;
  bool first;
  const T* x;
  const float* bias;
  Dropout dropout;
  const T* dy;
  T* dx;  // [padded × 2·width]
  float* dbias;
  bool accumulate;
  float* partials;  // [threads × 2·width]
};

/// What scores get by head and distance. Key j of query i in a text of n tokens has `scores`[head · stride + zero + j −
/// i]; what follows the last distance up to the next 16 is read too, and has no effect.
struct RelativeBias {
  const float* scores = nullptr;  // null: nothing
  int64_t zero = 0, stride = 0;   // at least n − 1, and 2 · zero + 17
};

/// Softmax attention of every (text, head): O = dropout(softmax(QKᵀ/√d + relative)) V, Q = q + bias and so on, of the
/// keys within reach. Of n heads with m heads of keys and values, head h has those of m·h/n.
template <typename T>
struct AttentionForward {
  Rows rows;
  int64_t heads, head_size;
  const T* qkv;       // [padded × (heads + 2·key heads)·head_size] without bias
  const float* bias;  // of a row
  Dropout dropout;
  T* out;            // [padded × heads·head_size]
  float* logsumexp;  // [heads × rows]; null in inference
  float* scratch;    // threads × attention_scratch(...) floats
  int64_t scratch_stride;
  RelativeBias relative = {};
  Reach reach = {};
  int64_t key_heads = 0;  // 0: as many as heads
};

template <typename T>
struct AttentionBackward {
  Rows rows;
  int64_t heads, head_size;
  const T* qkv;
  const float* bias;
  Dropout dropout;
  const float* logsumexp;
  const T* dout;
  T* dqkv;  // as qkv
  float* scratch;
  int64_t scratch_stride;
  RelativeBias relative = {};
  float* drelative = nullptr;  // [texts × heads × kRelativeBuckets], each text's own; null where it is not wanted
  Reach reach = {};
  int64_t key_heads = 0;
};

/// y = activation(x + bias), elementwise over [padded × width]; x and y may be the same.
template <typename T>
struct BiasActivationForward {
  Rows rows;
  int64_t width;
  HiddenActivation activation;
  const T* x;
  const float* bias;
  T* y;
};

/// In place: dy → d(x + bias); dbias its column sums.
template <typename T>
struct BiasActivationBackward {
  Rows rows;
  int64_t width;
  HiddenActivation activation;
  const T* x;
  const float* bias;
  T* dy;
  float* dbias;
  bool accumulate;
  float* partials;  // [threads × width]
};

/// sums[c] (+)= Σ_r x[r, c]
template <typename T>
struct ColumnSum {
  int64_t rows, width;
  const T* x;
  float* sums;
  bool accumulate;
  float* partials;  // [threads × width]
};

/// AdamW (Loshchilov & Hutter 2019) over one flat range, decay first as torch.optim.AdamW:
/// p ← p·decay; m ← m + (g−m)(1−β₁); v ← v·β₂ + g²(1−β₂); p ← p − step · m / (√v · root + eps)
struct AdamW {
  int64_t elements;
  float *p, *m, *v;
  const float* g;
  bf16* copy;            // bf16 copy of p to write in the same pass; may be null
  float gradient_scale;  // clipping
  float decay;           // 1 − lr·λ
  float beta1, beta2, eps;
  float step;  // lr / (1 − β₁ᵗ), or lr
  float root;  // 1 / √(1 − β₂ᵗ), or 1
};

/// The three products of a linear layer y = x·Wᵀ with x [rows × in], W [out × in], all row-major and dense; summed in
/// fp32. Null where the instruction set has none, and then a library multiplies. in, out and, for weight_gradient, rows
/// must be even when T is bf16. `scratch` has product_panels of the dimension that is summed over, or for
/// weight_gradient what weight_gradient_scratch says.
template <typename T>
struct Products {
  /// y = x·Wᵀ
  void (*forward)(const T* x, const T* w, T* y, int64_t rows, int64_t in, int64_t out, void* scratch);
  /// W in the order in which forward_packed reads it: packed_elements of them, on a border of 64 bytes.
  void (*pack)(const T* w, int64_t in, int64_t out, T* packed);
  /// As forward, without scratch; each row's result depends on nothing but the row.
  void (*forward_packed)(const T* x, const T* packed, T* y, int64_t rows, int64_t in, int64_t out);
  /// dx (+)= dy·W
  void (*input_gradient)(const T* dy, const T* w, T* dx, int64_t rows, int64_t in, int64_t out, bool accumulate,
                         void* scratch);
  void (*input_gradient_fp32)(const T* dy, const T* w, float* dx, int64_t rows, int64_t in, int64_t out,
                              bool accumulate, void* scratch);
  /// dw (+)= dyᵀ·x
  void (*weight_gradient)(const T* dy, const T* x, float* dw, int64_t rows, int64_t in, int64_t out, bool accumulate,
                          void* scratch);
  /// Elements of its scratch.
  int64_t (*weight_gradient_scratch)(int64_t rows, int64_t in, int64_t out, int64_t threads);
};

/// What a number of rows is best a multiple of; columns that a product copies at a time; rows that weight_gradient
/// takes at a time; rows up to which forward needs no scratch.
inline constexpr int64_t kTileRows = 8, kProductPanel = 48, kProductDepth = 1024, kFewRows = 48;
/// Elements from one row of dyᵀ to the next: an odd number of cache lines, so that rows do not share cache sets.
inline int64_t transposed_row(int64_t depth) { return ((depth + 31) / 32 | 1) * 32; }
/// Elements of scratch for products that sum over `depth`: a panel for each thread.
inline int64_t product_panels(int64_t depth, int64_t threads) { return threads * kProductPanel * depth; }
/// Elements of W when packed: whole panels.
inline int64_t packed_elements(int64_t in, int64_t out) {
  return (out + kProductPanel - 1) / kProductPanel * kProductPanel * in;
}
/// Elements from one row of quantised numbers to the next: whole words of every level. What is more than the row is
/// zero.
inline int64_t quantised_row(int64_t width) { return (width + 3) / 4 * 4; }

/// A row that a query has found, and how similar they are.
struct Hit {
  float similarity;
  int32_t row;
};

/// What queries hold while rows are searched, each row after those of lower number. Of each query there is room for
/// `capacity` hits; where no more has room, `cut` leaves the k best and sets `least` to the last of them.
struct Hits {
  int64_t capacity, k;
  Hit* hits;      // [queries × capacity]
  int32_t* held;  // [queries]
  float* least;   // [queries, in whole vectors]: who is not above it is none of the k best; +inf where no query is
  void (*cut)(const Hits& all, int64_t query);
};

/// Rows [count × width] against queries: x·w, and of int8 each product as a float, times the row's and the query's
/// factor. T is float or int8_t; or uint8_t for bits, width / 8 words of 64 in a row, whose similarity is the number of
/// bits in which row and query differ, negative.
template <typename T>
struct Search {
  const T* rows;
  int64_t count, width;
  int32_t first;               // the number of the first row
  const float* row_factors;    // [count], or null: 1
  const T* queries;            // packed by search_pack of width, or quantised_row(width)
  int64_t begin, end;          // of the queries; the first a multiple of kProductPanel
  const float* query_factors;  // [queries, in whole vectors]; null as the rows' are
  const int32_t* query_sums;   // [queries, in whole vectors]: of their numbers; int8 only
  void* scratch;               // search_scratch bytes; int8 only
  Hits found;
};

template <typename T>
struct Kernels {
  Products<T> product;
  void (*embedding_forward)(const EmbeddingForward<T>&);
  void (*residual_norm_forward)(const ResidualNormForward<T>&);
  void (*residual_norm_backward)(const ResidualNormBackward<T>&);
  void (*attention_forward)(const AttentionForward<T>&);
  void (*attention_backward)(const AttentionBackward<T>&);
  void (*bias_activation_forward)(const BiasActivationForward<T>&);
  void (*bias_activation_backward)(const BiasActivationBackward<T>&);
  void (*norm_forward)(const NormForward<T>&);
  void (*norm_backward)(const NormBackward<T>&);
  void (*residual_forward)(const ResidualForward<T>&);
  void (*residual_backward)(const ResidualBackward<T>&);
  void (*normed_residual_forward)(const NormedResidualForward<T>&);
  void (*normed_residual_backward)(const NormedResidualBackward<T>&);
  void (*rotate)(const Rotate<T>&);
  void (*head_norms_forward)(const HeadNormsForward<T>&);
  void (*head_norms_backward)(const HeadNormsBackward<T>&);
  void (*gate_forward)(const GateForward<T>&);
  void (*gate_backward)(const GateBackward<T>&);
  void (*column_sum)(const ColumnSum<T>&);
  /// y += x
  void (*add)(float* y, const T* x, int64_t elements);
  /// y (+)= x
  void (*store)(float* y, const T* x, int64_t elements, bool accumulate);
};

struct CommonKernels {
  void (*embedding_lookup)(const EmbeddingLookup&);
  void (*embedding_backward)(const EmbeddingBackward&);
  void (*embedding_scatter)(const EmbeddingScatter&);
  void (*bag_forward)(const BagForward&);
  void (*bag_backward)(const BagBackward&);
  void (*adamw)(const AdamW&);
  void (*to_bf16)(bf16* y, const float* x, int64_t elements);
  /// W [outputs × width] as int8 [outputs × quantised_row], with each output's scale and the sum of its integers.
  void (*quantise_weights)(const float* w, int64_t outputs, int64_t width, int8_t* q, float* scales, float* sums);
  /// x [rows × width] as integers of −128 … 127 [rows × quantised_row], with each row's scale and zero point [rows ×
  /// 2].
  void (*quantise_rows)(const float* x, int64_t rows, int64_t width, void* q, float* scales_and_zeros);
  /// Of each of these integers: 2, an int16, or with VNNI 1, a uint8 that is 128 more.
  int64_t quantised_bytes;
  /// W as quantise_weights makes it in the order in which int8_forward reads it: packed_elements(quantised_row(in),
  /// out). Null where there is no int8_forward.
  void (*int8_pack)(const int8_t* w, int64_t in, int64_t out, int8_t* packed);
  /// y = x·Wᵀ of operands that stand for floats, summed exactly: x as quantise_rows, W as int8_pack makes it. Null
  /// where the instruction set has no such product.
  void (*int8_forward)(const void* x, const float* scales_and_zeros, const int8_t* packed, const float* w_scales,
                       const float* w_sums, float* y, int64_t rows, int64_t in, int64_t out);
  /// Hits of a search; every level has it. A similarity of int8 is the same at all of them.
  void (*search)(const Search<float>&);
  void (*search_int8)(const Search<int8_t>&);
  void (*search_bits)(const Search<uint8_t>&);
  void (*search_pack)(const float* queries, int64_t width, int64_t count, float* packed);
  void (*search_pack_int8)(const int8_t* queries, int64_t width, int64_t count, int8_t* packed);
  void (*search_pack_bits)(const uint8_t* queries, int64_t width, int64_t count, uint8_t* packed);
  int64_t (*search_scratch)(int64_t width);
  /// Σ x² in double.
  double (*sum_of_squares)(const float* x, int64_t elements);
};

struct Table {
  Kernels<float> fp32;
  Kernels<bf16> bf16_;
  CommonKernels common;
};

/// The table of a level (for tests against the plain one) and of this processor.
const Table& table(SimdLevel level);
const Table& table();

template <typename T>
const Kernels<T>& of(const Table& t);
template <>
inline const Kernels<float>& of<float>(const Table& t) {
  return t.fp32;
}
template <>
inline const Kernels<bf16>& of<bf16>(const Table& t) {
  return t.bf16_;
}

/// Queries that attention works on at a time.
inline constexpr int64_t kAttentionTile = 32;
/// Keys of a text that the queries from … from + queries − 1 are multiplied with: `seen` from `first` on, and with what
/// fills whole vectors `padded`. With a bounded reach there are so many for each tile, however long the text is.
struct KeySpan {
  int64_t first, seen, padded;
};
inline KeySpan keys_within(const Reach& reach, int64_t from, int64_t queries, int64_t tokens) {
  const int64_t first = std::max<int64_t>(0, from - reach.before) / 16 * 16,
                end = std::min(tokens, from + queries + reach.after);
  return {first, end - first, (end - first + 15) / 16 * 16};
}

/// From so many tokens on, a text's heads are multiplied in bf16 where everything else is.
inline constexpr int64_t kAttentionBf16Tokens = 32;
/// Floats of scratch that one thread needs for texts of up to `longest` tokens; `relative`: with the gradient of a bias
/// by distance.
inline int64_t attention_scratch(int64_t longest, int64_t head_size, bool relative = false) {
  const int64_t keys = (longest + 15) / 16 * 16, width = (head_size + 31) / 32 * 32;
  return 8 * keys * width + kAttentionTile * (width + 3 * keys) + (relative ? 2 * keys : 0);
}

}  // namespace vectune::kernels
