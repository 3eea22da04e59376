// Embedding and residual layer norm, forward and backward, against their formulas in double.
//
// Tolerances: kFp32 of the largest magnitude everywhere, sums over rows included (their errors grow with the root of
// the number of rows); bf16 copies one rounding more.
#include "kernels_reference.h"

using namespace vectune;
using namespace vectune::reference;

namespace {

constexpr double kEps = 1e-5;
constexpr int64_t kVocab = 50;

struct Norm {
  std::vector<double> y, mean, rstd;
};

/// y = (x − mean)/σ · γ + β, σ² = mean((x − mean)²) + eps
Norm norm(const std::vector<double>& x, int64_t width, const std::vector<float>& gamma,
          const std::vector<float>& beta) {
  Norm n;
  for (size_t row = 0; row < x.size(); row += width) {
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < width; ++c) mean += x[row + c] / width;
    for (int64_t c = 0; c < width; ++c) variance += (x[row + c] - mean) * (x[row + c] - mean) / width;
    const double rstd = 1.0 / std::sqrt(variance + static_cast<double>(static_cast<float>(kEps)));
    for (int64_t c = 0; c < width; ++c) n.y.push_back((x[row + c] - mean) * rstd * gamma[c] + beta[c]);
    n.mean.push_back(mean);
    n.rstd.push_back(rstd);
  }
  return n;
}

/// dx = (dy·γ − mean(dy·γ) − x̂·mean(dy·γ·x̂))/σ, and the columns' sums of dy·x̂ and dy on top of what is there.
std::vector<double> norm_backward(const std::vector<double>& x, const std::vector<double>& dy, int64_t width,
                                  const std::vector<float>& gamma, std::vector<double>& dgamma,
                                  std::vector<double>& dbeta) {
  const Norm n = norm(x, width, gamma, std::vector<float>(width));
  std::vector<double> dx;
  for (size_t r = 0; r < n.mean.size(); ++r) {
    const auto xhat = [&](int64_t c) { return (x[r * width + c] - n.mean[r]) * n.rstd[r]; };
    double c1 = 0, c2 = 0;
    for (int64_t c = 0; c < width; ++c) {
      const double d = dy[r * width + c];
      c1 += d * gamma[c] / width;
      c2 += d * gamma[c] * xhat(c) / width;
      dgamma[c] += d * xhat(c);
      dbeta[c] += d;
    }
    for (int64_t c = 0; c < width; ++c) dx.push_back((dy[r * width + c] * gamma[c] - c1 - xhat(c) * c2) * n.rstd[r]);
  }
  return dx;
}

template <typename A>
std::vector<double> doubles(const std::vector<A>& v) {
  std::vector<double> d;
  for (const A& x : v) d.push_back(widen(x));
  return d;
}

/// mean and 1/σ of each row, as the forward pass leaves them.
std::vector<float> stats_of(const std::vector<float>& x, int64_t width) {
  const Norm n = norm(doubles(x), width, std::vector<float>(width), std::vector<float>(width));
  std::vector<float> stats;
  for (size_t r = 0; r < n.mean.size(); ++r) {
    stats.push_back(static_cast<float>(n.mean[r]));
    stats.push_back(static_cast<float>(n.rstd[r]));
  }
  return stats;
}

std::vector<double> then_zeros(std::vector<double> v, int64_t more) {
  v.resize(v.size() + more);
  return v;
}

std::string shape(const Batch& batch, int64_t width, double p) {
  return std::to_string(batch.texts()) + " texts, " + std::to_string(batch.count()) + " rows, width " +
         std::to_string(width) + ", dropout " + std::to_string(p);
}

/// A column vector's start: what is there already when a kernel accumulates, else NaNs that it must overwrite.
std::vector<float> gradient_start(Random& random, int64_t width, bool accumulate) {
  return accumulate ? random.normals(width) : with_nans(std::vector<float>{}, width);
}
std::vector<double> sum_start(const std::vector<float>& start, bool accumulate) {
  return accumulate ? doubles(start) : std::vector<double>(start.size());
}

template <typename T>
void embedding_forward(const Batch& batch, int64_t width, double p, bool types, Random& random) {
  const int64_t rows = batch.count(), extra = (batch.padded - rows) * width;
  const auto words = random.normals(kVocab * width), positions = random.normals(batch.longest() * width);
  const auto type = random.normals(width), gamma = random.normals(width, 0.3, 1.0), beta = random.normals(width);
  const kernels::Dropout dropout = dropout_of(p, random.bits());

  std::vector<double> sum;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < width; ++c)
      sum.push_back(double{words[batch.ids[r] * width + c]} + positions[batch.positions[r] * width + c] +
                    (types ? type[c] : 0.0));
  Norm n = norm(sum, width, gamma, beta);
  for (int64_t i = 0; i < rows * width; ++i) n.y[i] *= kept(dropout, batch.row_keys[i / width], i % width);
  const std::vector<double> y = then_zeros(n.y, extra);

  std::vector<Expected> expected{Expected::near("sum", sum), Expected::near("mean", n.mean),
                                 Expected::near("1/sigma", n.rstd), Expected::near("y", y, extra),
                                 Expected::near("y without sum", y, extra)};
  constexpr bool kCopies = std::is_same_v<T, bf16>;
  if (kCopies) expected.push_back(Expected::near<T>("bf16 copy", y, extra));
  check_levels("embedding_forward, " + shape(batch, width, p), expected, [&](const kernels::Table& table, int) {
    Guarded<float> sums(rows * width), stats(2 * rows), out(batch.padded * width), inference(batch.padded * width);
    Guarded<T> copy(batch.padded * width);
    kernels::EmbeddingForward<T> a{batch.rows(),
                                   width,
                                   words.data(),
                                   positions.data(),
                                   types ? type.data() : nullptr,
                                   gamma.data(),
                                   beta.data(),
                                   static_cast<float>(kEps),
                                   dropout,
                                   sums.data(),
                                   stats.data(),
                                   out.data(),
                                   kCopies ? copy.data() : nullptr};
    kernels::of<T>(table).embedding_forward(a);
    a.sum = a.stats = nullptr;
    a.y = inference.data();
    a.y_t = nullptr;
    kernels::of<T>(table).embedding_forward(a);
    Found found{sums.values(), stats.values(0, rows, 2), stats.values(1, rows, 2), out.values(), inference.values()};
    if (kCopies) found.push_back(copy.values());
    return found;
  });
}

void embedding_backward(const Batch& batch, int64_t width, double p, bool accumulate, Random& random) {
  const int64_t rows = batch.count();
  const auto sum = random.normals(rows * width, 1.5, 0.2), stats = stats_of(sum, width);
  const auto gamma = random.normals(width, 0.3, 1.0), dy = random.normals(rows * width);
  const auto dgamma = gradient_start(random, width, accumulate), dbeta = gradient_start(random, width, accumulate);
  const kernels::Dropout dropout = dropout_of(p, random.bits());

  std::vector<double> masked = doubles(dy);
  for (int64_t i = 0; i < rows * width; ++i) masked[i] *= kept(dropout, batch.row_keys[i / width], i % width);
  std::vector<double> g = sum_start(dgamma, accumulate), b = sum_start(dbeta, accumulate);
  const std::vector<double> dx = norm_backward(doubles(sum), masked, width, gamma, g, b);

  check_levels("embedding_backward, " + shape(batch, width, p),
               {Expected::near("d(sum)", dx), Expected::sum("dgamma", g), Expected::sum("dbeta", b)},
               [&](const kernels::Table& table, int threads) {
                 Guarded<float> d(with_nans(dy, (batch.padded - rows) * width)), dg(dgamma), db(dbeta);
                 Guarded<float> partials(threads * 3 * width);
                 table.common.embedding_backward({batch.rows(), width, sum.data(), stats.data(), gamma.data(), dropout,
                                                  d.data(), dg.data(), db.data(), accumulate, partials.data()});
                 partials.check_guards();
                 return Found{d.values(0, rows * width), dg.values(), db.values()};
               });
}

void embedding_scatter(const Batch& batch, int64_t width, Random& random) {
  const int64_t rows = batch.count(), places = batch.longest();
  const auto dsum = random.normals(rows * width);
  const auto words = random.normals(kVocab * width), positions = random.normals(places * width);
  const auto types = random.normals(2 * width);

  std::vector<double> w = doubles(words), at = doubles(positions), t = doubles(types);
  for (int64_t i = 0; i < rows * width; ++i) {
    const int64_t r = i / width, c = i % width;
    w[batch.ids[r] * width + c] += dsum[i];
    at[batch.positions[r] * width + c] += dsum[i];
    t[c] += dsum[i];
  }
  const auto e = [](const char* name, const std::vector<double>& v) { return Expected::near(name, v); };
  // once with all three tables, once with each alone
  check_levels("embedding_scatter, " + shape(batch, width, 0),
               {e("dwords", w), e("dpositions", at), e("dtypes", t), e("dwords alone", w), e("dpositions alone", at),
                e("dtypes alone", t)},
               [&](const kernels::Table& table, int) {
                 Guarded<float> all[] = {Guarded(words), Guarded(positions), Guarded(types)};
                 Guarded<float> alone[] = {Guarded(words), Guarded(positions), Guarded(types)};
                 const auto scatter = [&](float* to_words, float* to_positions, float* to_types) {
                   table.common.embedding_scatter({batch.rows(), width, dsum.data(), to_words, to_positions, to_types});
                 };
                 scatter(all[0].data(), all[1].data(), all[2].data());
                 scatter(alone[0].data(), nullptr, nullptr);
                 scatter(nullptr, alone[1].data(), nullptr);
                 scatter(nullptr, nullptr, alone[2].data());
                 return Found{all[0].values(),   all[1].values(),   all[2].values(),
                              alone[0].values(), alone[1].values(), alone[2].values()};
               });
}

template <typename T>
void residual_norm_forward(const Batch& batch, int64_t width, double p, Random& random) {
  const int64_t rows = batch.count(), extra = (batch.padded - rows) * width;
  const auto branch = random.normals<T>(rows * width);
  const auto residual = random.normals(rows * width), bias = random.normals(width);
  const auto gamma = random.normals(width, 0.3, 1.0), beta = random.normals(width);
  const kernels::Dropout dropout = dropout_of(p, random.bits());

  std::vector<double> sum;
  for (int64_t i = 0; i < rows * width; ++i)
    sum.push_back(residual[i] +
                  kept(dropout, batch.row_keys[i / width], i % width) * (widen(branch[i]) + bias[i % width]));
  const Norm n = norm(sum, width, gamma, beta);
  const std::vector<double> y = then_zeros(n.y, extra);

  std::vector<Expected> expected{Expected::near("sum", sum), Expected::near("mean", n.mean),
                                 Expected::near("1/sigma", n.rstd), Expected::near("y", y, extra),
                                 Expected::near("y without sum", y, extra)};
  constexpr bool kCopies = std::is_same_v<T, bf16>;
  if (kCopies) expected.push_back(Expected::near<T>("bf16 copy", y, extra));
  const auto branch_padded = with_nans(branch, extra);
  const auto residual_padded = with_nans(residual, extra);
  check_levels("residual_norm_forward, " + shape(batch, width, p), expected, [&](const kernels::Table& table, int) {
    Guarded<float> sums(rows * width), stats(2 * rows), out(batch.padded * width), inference(batch.padded * width);
    Guarded<T> copy(batch.padded * width);
    kernels::ResidualNormForward<T> a{
        batch.rows(), width,       branch_padded.data(),           bias.data(), residual_padded.data(),
        gamma.data(), beta.data(), static_cast<float>(kEps),       dropout,     sums.data(),
        stats.data(), out.data(),  kCopies ? copy.data() : nullptr};
    kernels::of<T>(table).residual_norm_forward(a);
    a.sum = a.stats = nullptr;
    a.y = inference.data();
    a.y_t = nullptr;
    kernels::of<T>(table).residual_norm_forward(a);
    Found found{sums.values(), stats.values(0, rows, 2), stats.values(1, rows, 2), out.values(), inference.values()};
    if (kCopies) found.push_back(copy.values());
    return found;
  });
}

template <typename T>
void residual_norm_backward(const Batch& batch, int64_t width, double p, bool accumulate, Random& random) {
  const int64_t rows = batch.count(), extra = (batch.padded - rows) * width;
  const auto sum = random.normals(rows * width, 1.5, 0.2), stats = stats_of(sum, width);
  const auto gamma = random.normals(width, 0.3, 1.0), dy = random.normals(rows * width);
  const auto dgamma = gradient_start(random, width, accumulate), dbeta = gradient_start(random, width, accumulate);
  const auto dbias = gradient_start(random, width, accumulate);
  const kernels::Dropout dropout = dropout_of(p, random.bits());

  std::vector<double> g = sum_start(dgamma, accumulate), b = sum_start(dbeta, accumulate);
  std::vector<double> bias = sum_start(dbias, accumulate);
  const std::vector<double> dx = norm_backward(doubles(sum), doubles(dy), width, gamma, g, b);
  std::vector<double> dbranch = dx;
  for (int64_t i = 0; i < rows * width; ++i) {
    dbranch[i] *= kept(dropout, batch.row_keys[i / width], i % width);
    bias[i % width] += dbranch[i];  // of what is not yet rounded to T
  }

  check_levels("residual_norm_backward, " + shape(batch, width, p),
               {Expected::near("d(residual)", dx), Expected::near<T>("dbranch", then_zeros(dbranch, extra), extra),
                Expected::sum("dgamma", g), Expected::sum("dbeta", b), Expected::sum("dbias", bias)},
               [&](const kernels::Table& table, int threads) {
                 Guarded<float> d(with_nans(dy, extra)), dg(dgamma), db(dbeta), dbi(dbias);
                 Guarded<T> out(batch.padded * width);
                 Guarded<float> partials(threads * 3 * width);
                 kernels::of<T>(table).residual_norm_backward({batch.rows(), width, sum.data(), stats.data(),
                                                               gamma.data(), dropout, d.data(), out.data(), dbi.data(),
                                                               dg.data(), db.data(), accumulate, partials.data()});
                 partials.check_guards();
                 return Found{d.values(0, rows * width), out.values(), dg.values(), db.values(), dbi.values()};
               });
}

/// A norm by itself, of either kind; a root mean square norm is a layer norm whose mean is 0.
template <typename T>
void norm_alone(const Batch& batch, int64_t width, NormKind kind, bool accumulate, Random& random) {
  const int64_t rows = batch.count(), extra = (batch.padded - rows) * width;
  const auto x = random.normals(rows * width, 1.5, 0.7), gamma = random.normals(width, 0.3, 1.0),
             beta = random.normals(width);
  const auto dy = random.normals<T>(rows * width);
  const auto dx = random.normals(rows * width);
  const auto dgamma = gradient_start(random, width, accumulate), dbeta = gradient_start(random, width, accumulate);

  std::vector<double> means, rstds, y, d;
  std::vector<double> g = sum_start(dgamma, accumulate), b = sum_start(dbeta, accumulate);
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = x.data() + r * width;
    double mean = 0, squares = 0, c1 = 0, c2 = 0;
    for (int64_t c = 0; c < width && kind == NormKind::kLayer; ++c) mean += row[c] / static_cast<double>(width);
    for (int64_t c = 0; c < width; ++c) squares += (row[c] - mean) * (row[c] - mean) / static_cast<double>(width);
    const double rstd = 1.0 / std::sqrt(squares + static_cast<double>(static_cast<float>(kEps)));
    means.push_back(mean);
    rstds.push_back(rstd);
    for (int64_t c = 0; c < width; ++c) {
      const double xhat = (row[c] - mean) * rstd, up = widen(dy[r * width + c]);
      y.push_back(xhat * gamma[c] + beta[c]);
      if (kind == NormKind::kLayer) c1 += up * gamma[c] / static_cast<double>(width);
      c2 += up * gamma[c] * xhat / static_cast<double>(width);
      g[c] += up * xhat;
      b[c] += up;
    }
    for (int64_t c = 0; c < width; ++c)
      d.push_back((widen(dy[r * width + c]) * gamma[c] - c1 - (row[c] - mean) * rstd * c2) * rstd);
  }
  std::vector<double> added = d;
  for (size_t i = 0; i < added.size(); ++i) added[i] += dx[i];
  y.resize(batch.padded * width);

  const std::string what = shape(batch, width, 0) + (kind == NormKind::kRms ? ", rms" : ", layer");
  const auto x_padded = with_nans(x, extra);
  check_levels(
      "norm_forward, " + what,
      {Expected::near("mean", means), Expected::near("1/sigma", rstds), Expected::near("y", y, extra),
       Expected::near<T>("y as T alone", y, extra), Expected::near("y in place", y, extra)},
      [&](const kernels::Table& table, int) {
        Guarded<float> stats(2 * rows), out(batch.padded * width), in_place(x_padded);
        Guarded<T> copy(batch.padded * width);
        kernels::NormForward<T> a{
            batch.rows(), width,      kind,   x_padded.data(), gamma.data(), beta.data(), static_cast<float>(kEps),
            stats.data(), out.data(), nullptr};
        kernels::of<T>(table).norm_forward(a);
        a.stats = a.y = nullptr;
        a.y_t = copy.data();
        kernels::of<T>(table).norm_forward(a);
        a.x = a.y = in_place.data();
        a.y_t = nullptr;
        kernels::of<T>(table).norm_forward(a);
        return Found{stats.values(0, rows, 2), stats.values(1, rows, 2), out.values(), copy.values(),
                     in_place.values()};
      });
  std::vector<float> stats;
  for (int64_t r = 0; r < rows; ++r)
    stats.insert(stats.end(), {static_cast<float>(means[r]), static_cast<float>(rstds[r])});
  check_levels("norm_backward, " + what,
               {Expected::near("dx", d), Expected::near("dx added to", added), Expected::sum("dgamma", g),
                Expected::sum("dbeta", b)},
               [&](const kernels::Table& table, int threads) {
                 Guarded<float> to(rows * width), onto(dx), dg(dgamma), db(dbeta), unread(2 * width);
                 Guarded<float> partials(threads * 2 * width);
                 kernels::NormBackward<T> a{batch.rows(), width,      kind,           x.data(), stats.data(),
                                            gamma.data(), dy.data(),  to.data(),      false,    dg.data(),
                                            db.data(),    accumulate, partials.data()};
                 kernels::of<T>(table).norm_backward(a);
                 a.dx = onto.data();
                 a.add = true;
                 a.dgamma = unread.data();
                 a.dbeta = unread.data() + width;
                 a.accumulate = false;
                 kernels::of<T>(table).norm_backward(a);
                 partials.check_guards();
                 return Found{to.values(), onto.values(), dg.values(), db.values()};
               });
}

template <typename T>
void residual(const Batch& batch, int64_t width, double p, bool accumulate, Random& random) {
  const int64_t rows = batch.count(), extra = (batch.padded - rows) * width;
  const auto branch = random.normals<T>(rows * width);
  const auto before = random.normals(rows * width), bias = random.normals(width), dsum = random.normals(rows * width);
  const auto dbias = gradient_start(random, width, accumulate);
  const kernels::Dropout dropout = dropout_of(p, random.bits());
  std::vector<double> sum, dbranch, sums = sum_start(dbias, accumulate);
  for (int64_t i = 0; i < rows * width; ++i) {
    const double mask = kept(dropout, batch.row_keys[i / width], i % width);
    sum.push_back(before[i] + mask * (widen(branch[i]) + bias[i % width]));
    dbranch.push_back(mask * dsum[i]);
    sums[i % width] += dbranch.back();
  }
  check_levels("residual_forward, " + shape(batch, width, p),
               {Expected::near("sum", sum), Expected::near("sum in place", sum)},
               [&](const kernels::Table& table, int) {
                 Guarded<float> to(rows * width), in_place(before);
                 const auto forward = kernels::of<T>(table).residual_forward;
                 forward({batch.rows(), width, branch.data(), bias.data(), before.data(), dropout, to.data()});
                 forward({batch.rows(), width, branch.data(), bias.data(), in_place.data(), dropout, in_place.data()});
                 return Found{to.values(), in_place.values()};
               });
  check_levels("residual_backward, " + shape(batch, width, p),
               {Expected::near<T>("dbranch", then_zeros(dbranch, extra), extra), Expected::sum("dbias", sums)},
               [&](const kernels::Table& table, int threads) {
                 Guarded<T> to(batch.padded * width);
                 Guarded<float> db(dbias), partials(threads * width);
                 kernels::of<T>(table).residual_backward(
                     {batch.rows(), width, dropout, dsum.data(), to.data(), db.data(), accumulate, partials.data()});
                 partials.check_guards();
                 return Found{to.values(), db.values()};
               });
}

/// `body(batch, width, p, flag, random)` over widths that end in a part of a vector and some that do not.
template <typename Body>
void over_shapes(uint64_t seed, Body body) {
  Random random(seed);
  const Batch borders(border_lengths(), 11, random, kVocab);
  body(borders, 44, 0.1, false, random);
  body(borders, 64, 0.0, true, random);
  for (const int64_t width : {60, 100, 7, 15, 17, 32, 384})
    for (const bool flag : {false, true}) {
      const Batch batch(random_lengths(random, 100), random.whole(1, 40), random, kVocab);
      body(batch, width, flag ? 0.5 : 0.0, flag, random);
      body(batch, width, flag ? 0.0 : 0.1, flag, random);
    }
  body(Batch({1}, 0, random, kVocab), 20, 0.1, true, random);  // fewer rows than threads, none padded
}

}  // namespace

TEST(kernels_embedding_forward_is_the_formula) {
  over_shapes(1, [](const Batch& batch, int64_t width, double p, bool types, Random& random) {
    embedding_forward<float>(batch, width, p, types, random);
    embedding_forward<bf16>(batch, width, p, types, random);
  });
}
TEST(kernels_embedding_backward_is_the_formula) { over_shapes(2, embedding_backward); }
TEST(kernels_embedding_scatter_adds_every_row_where_it_came_from) {
  over_shapes(3, [](const Batch& batch, int64_t width, double, bool, Random& random) {
    embedding_scatter(batch, width, random);
  });
}
TEST(kernels_residual_norm_forward_is_the_formula) {
  over_shapes(4, [](const Batch& batch, int64_t width, double p, bool, Random& random) {
    residual_norm_forward<float>(batch, width, p, random);
    residual_norm_forward<bf16>(batch, width, p, random);
  });
}
TEST(kernels_residual_norm_backward_is_the_formula) {
  over_shapes(5, [](const Batch& batch, int64_t width, double p, bool accumulate, Random& random) {
    residual_norm_backward<float>(batch, width, p, accumulate, random);
    residual_norm_backward<bf16>(batch, width, p, accumulate, random);
  });
}
TEST(kernels_norm_alone_is_the_formula) {
  over_shapes(6, [](const Batch& batch, int64_t width, double, bool accumulate, Random& random) {
    for (const NormKind kind : {NormKind::kLayer, NormKind::kRms}) {
      norm_alone<float>(batch, width, kind, accumulate, random);
      norm_alone<bf16>(batch, width, kind, accumulate, random);
    }
  });
}
TEST(kernels_residual_is_the_formula) {
  over_shapes(7, [](const Batch& batch, int64_t width, double p, bool accumulate, Random& random) {
    residual<float>(batch, width, p, accumulate, random);
    residual<bf16>(batch, width, p, accumulate, random);
  });
}
TEST(kernels_embedding_without_positions_is_the_formula) {
  // As with a table of zeros, to the bit.
  Random random(8);
  const Batch batch(border_lengths(), 3, random, kVocab);
  const int64_t width = 44;
  const auto words = random.normals(kVocab * width), gamma = random.normals(width), beta = random.normals(width);
  const std::vector<float> zeros(static_cast<size_t>(batch.longest() * width));
  for (const SimdLevel level : levels()) {
    Guarded<float> with(batch.padded * width), without(batch.padded * width);
    with_threads(1, [&] {
      kernels::EmbeddingForward<float> a{batch.rows(), width,        words.data(), zeros.data(),
                                         nullptr,      gamma.data(), beta.data(),  static_cast<float>(kEps),
                                         {},           nullptr,      nullptr,      with.data(),
                                         nullptr};
      kernels::table(level).fp32.embedding_forward(a);
      a.positions = nullptr;
      a.y = without.data();
      kernels::table(level).fp32.embedding_forward(a);
    });
    CHECK(with.values() == without.values());
  }
}
