// Attention, forward and backward, against its formula in double.
//
// Every text is compared on its own, because a long text's outputs are averages and far smaller than a short one's.
// Tolerance: kFp32 of the text's largest magnitude (scores up to about 10 carry an error of about 1e-6, which exp turns
// into a relative one); bf16 outputs one rounding more. Texts whose heads are multiplied in bf16: 3·kBf16, as q, k and
// v with their biases, the probabilities and their gradients are rounded once each (0.8 % of the largest was seen).
// Where scores reach hundreds, their error grows with them.
#include "kernels_reference.h"

using namespace vectune;
using namespace vectune::reference;

namespace {

using Matrix = std::vector<double>;

struct Shape {
  std::vector<int64_t> lengths;
  int64_t heads, head_size, padding;
  double dropout;
  double scale = 1.5;  // of queries and keys
  double tolerance = kFp32;
  Reach reach = {};
  int64_t group = 1;  // heads of queries that share a head of keys and values
};

/// What attention computes, and its gradients, for one head of one text: [tokens × head size].
struct Head {
  Matrix out, logsumexp, dq, dk, dv;

  /// q, k, v with their biases; `mask(i, j)` is what query i's probability of key j is multiplied by.
  template <typename Mask>
  Head(const Matrix& q, const Matrix& k, const Matrix& v, const Matrix& dout, int64_t d, const Reach& reach, Mask mask)
      : out(q.size()), dq(q.size()), dk(q.size()), dv(q.size()) {
    const int64_t tokens = static_cast<int64_t>(q.size()) / d;
    const double root = 1.0 / std::sqrt(static_cast<double>(d));
    Matrix p(tokens), dp(tokens);
    for (int64_t i = 0; i < tokens; ++i) {
      for (int64_t j = 0; j < tokens; ++j) {
        const bool seen = j >= i - reach.before && j <= i + reach.after;
        p[j] = seen ? root * dot(&q[i * d], &k[j * d], d) : -INFINITY;
      }
      const double top = *std::max_element(p.begin(), p.end());
      double total = 0;
      for (const double s : p) total += std::exp(s - top);
      logsumexp.push_back(top + std::log(total));
      // O = (mask∘P) V     dV = (mask∘P)ᵀ dO     dP = mask∘(dO Vᵀ)
      double mean = 0;
      for (int64_t j = 0; j < tokens; ++j) {
        p[j] = std::exp(p[j] - logsumexp.back());
        const double m = mask(i, j);
        add(&out[i * d], p[j] * m, &v[j * d], d);
        add(&dv[j * d], p[j] * m, &dout[i * d], d);
        dp[j] = m * dot(&dout[i * d], &v[j * d], d);
        mean += p[j] * dp[j];
      }
      // dS = P∘(dP − rowsum(P∘dP))     dQ = dS K/√d     dK = dSᵀ Q/√d
      for (int64_t j = 0; j < tokens; ++j) {
        const double ds = root * p[j] * (dp[j] - mean);
        add(&dq[i * d], ds, &k[j * d], d);
        add(&dk[j * d], ds, &q[i * d], d);
      }
    }
  }
  static double dot(const double* a, const double* b, int64_t n) {
    double s = 0;
    for (int64_t c = 0; c < n; ++c) s += a[c] * b[c];
    return s;
  }
  static void add(double* y, double a, const double* x, int64_t n) {
    for (int64_t c = 0; c < n; ++c) y[c] += a * x[c];
  }
};

template <typename T>
void attention(const Shape& shape, Random& random) {
  const Batch batch(shape.lengths, shape.padding, random);
  const int64_t d = shape.head_size, heads = shape.heads, hidden = heads * d, keys = heads / shape.group,
                width = (heads + 2 * keys) * d;
  const int64_t rows = batch.count(), extra = shape.padding;
  auto qkv = random.normals<T>(rows * width);
  for (int64_t i = 0; i < rows * width; ++i)
    if (i % width < hidden + keys * d) qkv[i] = narrow<T>(widen(qkv[i]) * shape.scale);
  const auto bias = random.normals(width, 0.3);
  const auto dout = random.normals<T>(rows * hidden);
  const kernels::Dropout dropout = dropout_of(shape.dropout, random.bits());

  Matrix out(batch.padded * hidden), dqkv(batch.padded * width), logsumexp(heads * rows);
  for (int64_t text = 0; text < batch.texts(); ++text)
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t first = batch.starts[text], tokens = batch.starts[text + 1] - first;
      const int64_t key = head / shape.group, places[] = {head * d, hidden + key * d, hidden + (keys + key) * d};
      Matrix x[4];  // q, k, v, dout
      for (int64_t i = 0; i < tokens; ++i)
        for (int64_t c = 0; c < d; ++c) {
          for (int64_t part = 0; part < 3; ++part) {
            const int64_t column = places[part] + c;
            x[part].push_back(widen(qkv[(first + i) * width + column]) + bias[column]);
          }
          x[3].push_back(widen(dout[(first + i) * hidden + head * d + c]));
        }
      const kernels::Dropout mask = of_head(dropout, head);
      const Head h(x[0], x[1], x[2], x[3], d, shape.reach,
                   [&](int64_t i, int64_t j) { return kept(mask, batch.row_keys[first + i], j); });
      for (int64_t i = 0; i < tokens; ++i) {
        logsumexp[head * rows + first + i] = h.logsumexp[i];
        for (int64_t c = 0; c < d; ++c) {
          const int64_t at = (first + i) * width + c;
          out[(first + i) * hidden + head * d + c] = h.out[i * d + c];
          dqkv[at + places[0]] = h.dq[i * d + c];
          dqkv[at + places[1]] += h.dk[i * d + c];
          dqkv[at + places[2]] += h.dv[i * d + c];
        }
      }
    }

  // each text's rows as an output of their own, then the rows after the last text
  const auto tolerance = [&](int64_t begin, int64_t end) {
    const bool products_in_bf16 = std::is_same_v<T, bf16> && end - begin >= kernels::kAttentionBf16Tokens;
    return products_in_bf16 ? 3 * kBf16 : shape.tolerance;
  };
  std::vector<std::pair<int64_t, int64_t>> pieces;
  for (int64_t t = 0; t < batch.texts(); ++t) pieces.emplace_back(batch.starts[t], batch.starts[t + 1]);
  pieces.emplace_back(rows, batch.padded);
  const auto expect = [&](std::vector<Expected>& all, const char* name, const Matrix& values, int64_t columns) {
    for (const auto& [begin, end] : pieces) {
      const int64_t zeros = begin == rows ? extra * columns : 0;
      all.push_back(Expected::near<T>(name + (" of rows from " + std::to_string(begin)),
                                      Matrix(values.begin() + begin * columns, values.begin() + end * columns), zeros,
                                      tolerance(begin, end)));
    }
  };
  const auto find = [&](Found& all, const Guarded<T>& values, int64_t columns) {
    for (const auto& [begin, end] : pieces) all.push_back(values.values(begin * columns, (end - begin) * columns));
  };
  std::vector<Expected> forward, backward;
  expect(forward, "out", out, hidden);
  forward.push_back(Expected::near("logsumexp", logsumexp, 0, tolerance(0, batch.longest())));
  expect(forward, "out without logsumexp", out, hidden);
  expect(backward, "dqkv", dqkv, width);

  const auto qkv_padded = with_nans(qkv, extra * width), dout_padded = with_nans(dout, extra * hidden);
  const int64_t stride = kernels::attention_scratch(batch.longest(), d);
  const std::string what = std::to_string(heads) + " heads of " + std::to_string(d) + " in groups of " +
                           std::to_string(shape.group) + ", " + std::to_string(batch.texts()) + " texts up to " +
                           std::to_string(batch.longest()) + ", dropout " + std::to_string(shape.dropout) + ", reach " +
                           std::to_string(shape.reach.before) + " and " + std::to_string(shape.reach.after);
  check_levels("attention_forward, " + what, forward, [&](const kernels::Table& table, int threads) {
    Guarded<T> y(batch.padded * hidden), inference(batch.padded * hidden);
    Guarded<float> lse(heads * rows), scratch(threads * stride);
    kernels::AttentionForward<T> a{batch.rows(), heads,       d,          qkv_padded.data(), bias.data(),
                                   dropout,      y.data(),    lse.data(), scratch.data(),    stride,
                                   {},           shape.reach, keys};
    kernels::of<T>(table).attention_forward(a);
    a.logsumexp = nullptr;
    a.out = inference.data();
    kernels::of<T>(table).attention_forward(a);
    scratch.check_guards();
    Found found;
    find(found, y, hidden);
    found.push_back(lse.values());
    find(found, inference, hidden);
    return found;
  });
  check_levels("attention_backward, " + what, backward, [&](const kernels::Table& table, int threads) {
    Guarded<T> dx(batch.padded * width), y(batch.padded * hidden);
    Guarded<float> lse(heads * rows), scratch(threads * stride);
    // what its own forward leaves: the gradient is that of the probabilities which were used
    kernels::of<T>(table).attention_forward({batch.rows(),
                                             heads,
                                             d,
                                             qkv_padded.data(),
                                             bias.data(),
                                             dropout,
                                             y.data(),
                                             lse.data(),
                                             scratch.data(),
                                             stride,
                                             {},
                                             shape.reach,
                                             keys});
    kernels::of<T>(table).attention_backward({batch.rows(),
                                              heads,
                                              d,
                                              qkv_padded.data(),
                                              bias.data(),
                                              dropout,
                                              lse.data(),
                                              dout_padded.data(),
                                              dx.data(),
                                              scratch.data(),
                                              stride,
                                              {},
                                              nullptr,
                                              shape.reach,
                                              keys});
    scratch.check_guards();
    Found found;
    find(found, dx, width);
    return found;
  });
}

}  // namespace

TEST(kernels_attention_of_every_length_is_the_formula) {
  Random random(11);
  attention<float>({border_lengths(), 2, 32, 9, 0.1}, random);
  attention<bf16>({border_lengths(), 1, 64, 40, 0.0}, random);
}
TEST(kernels_attention_of_every_length_is_the_formula_the_other_way_round) {
  Random random(12);
  attention<float>({border_lengths(), 1, 64, 1, 0.0}, random);
  attention<bf16>({border_lengths(), 2, 32, 7, 0.5}, random);
}
TEST(kernels_attention_of_any_shape_is_the_formula) {
  Random random(13);
  for (const int64_t head_size : {20, 8, 33, 64, 32, 16})
    for (const double dropout : {0.0, 0.1}) {
      const Shape shape{random_lengths(random, 130), random.whole(1, 4), head_size, random.whole(0, 20), dropout};
      attention<float>(shape, random);
      attention<bf16>(shape, random);
    }
  attention<float>({{1}, 1, 20, 0, 0.5}, random);  // fewer heads than threads
}
TEST(kernels_attention_with_scores_of_hundreds_is_the_formula) {
  // Most rows have one probability of 1 and else 0. A score of 300 and its logsumexp are off by 2e-5 or so, and with
  // them P; dS, exactly 0 in such rows, is off by that much of dO·V, and dQ by dS·K/√d.
  Random random(14);
  attention<float>({{40, 1, 97}, 2, 32, 3, 0.0, 6.0, 5e-4}, random);
  attention<float>({{65, 3}, 1, 64, 3, 0.2, 6.0, 5e-4}, random);
}

namespace {

Shape within(Shape shape, int64_t before, int64_t after) {
  shape.reach = {before, after};
  return shape;
}

}  // namespace

TEST(kernels_attention_within_reach_is_the_formula) {
  Random random(15);
  const Shape borders{{1, 2, 63, 64, 65, 128, 129, 130, 200, 33, 512}, 2, 32, 9, 0.1};
  attention<float>(within(borders, 64, 64), random);
  attention<bf16>(within(borders, 64, 64), random);
  for (const auto& [before, after] : {std::pair<int64_t, int64_t>{3, 5}, {0, 0}, {Reach::kAll, 0}, {17, 0}, {40, 16}}) {
    const Shape shape{random_lengths(random, 130), 2, 20, 3, 0.1};
    attention<float>(within(shape, before, after), random);
    attention<bf16>(within(shape, before, after), random);
  }
}
TEST(kernels_attention_of_grouped_heads_is_the_formula) {
  Random random(16);
  for (const auto& [heads, group] : {std::pair<int64_t, int64_t>{4, 2}, {3, 3}, {8, 4}})
    for (const int64_t after : {Reach::kAll, int64_t{0}}) {
      Shape shape{random_lengths(random, 130), heads, random.whole(0, 1) ? 20 : 64, 3, 0.1};
      shape.group = group;
      attention<float>(within(shape, Reach::kAll, after), random);
      attention<bf16>(within(shape, Reach::kAll, after), random);
    }
}
TEST(kernels_attention_within_reach_does_work_in_proportion_to_the_length) {
  const auto products = [](const Reach& reach, int64_t tokens) {
    int64_t sum = 0;
    for (int64_t from = 0; from < tokens; from += kernels::kAttentionTile) {
      const int64_t queries = std::min(kernels::kAttentionTile, tokens - from);
      sum += queries * kernels::keys_within(reach, from, queries, tokens).padded;
    }
    return sum;
  };
  const Reach local{64, 64};
  // A tile's own 32 keys, 64 on each side, and up to a vector at each end.
  for (const int64_t tokens : {512, 4096, 8192}) CHECK(products(local, tokens) <= tokens * (32 + 128 + 2 * 16));
  CHECK(products(local, 8192) < 2.02 * static_cast<double>(products(local, 4096)));
  CHECK_EQ(products({}, 8192), 8192 * 8192);
}
