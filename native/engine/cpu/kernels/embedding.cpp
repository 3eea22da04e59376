#include "cpu/kernels/columns.h"
#include "cpu/kernels/normalise.h"
#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {
namespace {

template <typename T, typename Word>
void embed_words(const EmbeddingForward<T>& a, const Word* words) {
  const int64_t width = a.hidden;
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const Word* word = words + int64_t{a.rows.ids[r]} * width;
      const float* position = a.positions ? a.positions + int64_t{a.rows.positions[r]} * width : nullptr;
      float* y = a.y + r * width;
      float* sum = a.sum ? a.sum + r * width : y;
      for_lanes(width, [&](int64_t i, auto n) {
        F s = load(word + i, n);
        if (position) s += load(position + i, n);
        if (a.types) s += load(a.types + i, n);
        store(sum + i, s, n);
      });
      const RowStats stats = row_stats(sum, width, a.eps);
      if (a.stats) {
        a.stats[2 * r] = stats.mean;
        a.stats[2 * r + 1] = stats.rstd;
      }
      const uint32_t row = a.dropout.on() ? row_hash(a.dropout.key, a.rows.row_keys[r]) : 0;
      for_lanes(width, [&](int64_t i, auto n) {
        F v = (load(sum + i, n) - stats.mean) * stats.rstd * load(a.gamma + i, n) + load(a.beta + i, n);
        if (a.dropout.on()) v *= keep(a.dropout, row, i);
        store(y + i, v, n);
        if (a.y_t) store(a.y_t + r * width + i, v, n);
      });
    }
  });
  zero_rows(a.y, a.rows.rows, a.rows.padded, width);
  if (a.y_t) zero_rows(a.y_t, a.rows.rows, a.rows.padded, width);
}

template <typename T>
void embedding_forward(const EmbeddingForward<T>& a) {
  if (a.half_words) embed_words(a, a.half_words);
  else embed_words(a, a.words);
}

template <typename Word>
void look_up(const EmbeddingLookup& a, const Word* words) {
  const int64_t width = a.hidden;
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const Word* word = words + int64_t{a.rows.ids[r]} * width;
      float* y = a.y + r * width;
      for_lanes(width, [&](int64_t i, auto n) { store(y + i, load(word + i, n) * a.scale, n); });
    }
  });
  zero_rows(a.y, a.rows.rows, a.rows.padded, width);
}

void embedding_lookup(const EmbeddingLookup& a) {
  if (a.half_words) look_up(a, a.half_words);
  else look_up(a, a.words);
}

void embedding_backward(const EmbeddingBackward& a) {
  const int64_t width = a.hidden;
  ColumnPartials partials(a.partials, 2 * width);
  for_parts(a.rows.rows, [&](int64_t begin, int64_t end, int thread) {
    float* line = partials.line(thread);
    for (int64_t r = begin; r < end; ++r) {
      float* dy = a.dy + r * width;
      const float* x = a.sum + r * width;
      if (a.dropout.on()) {
        const uint32_t row = row_hash(a.dropout.key, a.rows.row_keys[r]);
        for_lanes(width, [&](int64_t i, auto n) { store(dy + i, load(dy + i, n) * keep(a.dropout, row, i), n); });
      }
      const RowBackward back = row_backward(x, a.stats + 2 * r, a.gamma, width, line, line + width,
                                            [&](int64_t i, auto n) { return load(dy + i, n); });
      for_lanes(width, [&](int64_t i, auto n) {
        store(dy + i, back.dx(load(dy + i, n) * load(a.gamma + i, n), load(x + i, n)), n);
      });
    }
  });
  partials.total(0, width, a.dgamma, a.accumulate);
  partials.total(width, width, a.dbeta, a.accumulate);
}

void embedding_scatter(const EmbeddingScatter& a) {
  const int64_t width = a.hidden;
  const int64_t blocks = (width + kLanes - 1) / kLanes;
  for_parts(blocks, [&](int64_t begin, int64_t end, int) {
    const int64_t from = begin * kLanes, count = (end * kLanes < width ? end * kLanes : width) - from;
    for (int64_t r = 0; r < a.rows.rows; ++r) {
      const float* d = a.dsum + r * width + from;
      const auto add_to = [&](float* table, int64_t row) {
        float* g = table + row * width + from;
        for_lanes(count, [&](int64_t i, auto n) { store(g + i, load(g + i, n) + load(d + i, n), n); });
      };
      if (a.dwords) add_to(a.dwords, a.rows.ids[r]);
      if (a.dpositions) add_to(a.dpositions, a.rows.positions[r]);
      if (a.dtypes) add_to(a.dtypes, 0);
    }
  });
}

void bag_forward(const BagForward& a) {
  const int64_t width = a.hidden;
  for_parts(a.rows.texts, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t from = a.rows.starts[t], to = a.rows.starts[t + 1];
      float* y = a.y + t * width;
      for_lanes(width, [&](int64_t i, auto n) { store(y + i, F{}, n); });
      for (int64_t r = from; r < to; ++r) {
        const float* word = a.words + int64_t{a.rows.ids[r]} * width;
        for_lanes(width, [&](int64_t i, auto n) { store(y + i, load(y + i, n) + load(word + i, n), n); });
      }
      const float length = static_cast<float>(to > from ? to - from : 1);
      for_lanes(width, [&](int64_t i, auto n) { store(y + i, load(y + i, n) / length, n); });
    }
  });
}

void bag_backward(const BagBackward& a) {
  const int64_t width = a.hidden;
  const int64_t blocks = (width + kLanes - 1) / kLanes;
  for_parts(blocks, [&](int64_t begin, int64_t end, int) {
    const int64_t from = begin * kLanes, count = (end * kLanes < width ? end * kLanes : width) - from;
    for (int64_t t = 0; t < a.rows.texts; ++t) {
      const int64_t first = a.rows.starts[t], last = a.rows.starts[t + 1];
      const float* d = a.d + t * width + from;
      const float length = static_cast<float>(last - first);
      for (int64_t r = first; r < last; ++r) {
        float* g = a.dwords + int64_t{a.rows.ids[r]} * width + from;
        for_lanes(count, [&](int64_t i, auto n) { store(g + i, load(g + i, n) + load(d + i, n) / length, n); });
      }
    }
  });
}

}  // namespace

void register_embedding(Table& t) {
  t.fp32.embedding_forward = embedding_forward<float>;
  t.bf16_.embedding_forward = embedding_forward<bf16>;
  t.common.embedding_lookup = embedding_lookup;
  t.common.embedding_backward = embedding_backward;
  t.common.embedding_scatter = embedding_scatter;
  t.common.bag_forward = bag_forward;
  t.common.bag_backward = bag_backward;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
