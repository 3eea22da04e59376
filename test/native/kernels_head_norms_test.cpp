// Norms of heads and turns, and norms of what is added to the stream, against their formulas in double: kFp32 of the
// largest magnitude; bf16 outputs one rounding more.
#include "kernels_reference.h"

using namespace vectune;
using namespace vectune::reference;

namespace {

using Row = std::vector<double>;

/// y = x/σ · gamma, and from dy the gradients of x and gamma.
struct Rms {
  Row y, dx, dgamma;
  Rms(const Row& x, const Row& gamma, const Row& dy, double eps) : y(x.size()), dx(x.size()), dgamma(x.size()) {
    const double n = static_cast<double>(x.size());
    double squares = 0, dot = 0;
    for (const double v : x) squares += v * v;
    const double rstd = 1.0 / std::sqrt(squares / n + eps);
    for (size_t i = 0; i < x.size(); ++i) dot += dy[i] * gamma[i] * x[i] * rstd;
    for (size_t i = 0; i < x.size(); ++i) {
      const double xhat = x[i] * rstd;
      y[i] = xhat * gamma[i];
      dgamma[i] = dy[i] * xhat;
      dx[i] = (dy[i] * gamma[i] - xhat * dot / n) * rstd;
    }
  }
};

template <typename T>
void head_norms(int64_t heads, int64_t keys, int64_t size, float shift, float scale, Random& random) {
  constexpr float kEps = 1e-6f;
  const Batch batch(random_lengths(random, 60), random.whole(0, 5), random);
  const int64_t rows = batch.count(), width = (heads + 2 * keys) * size, half = size / 2;
  const auto x = random.normals<T>(batch.padded * width), dy = random.normals<T>(batch.padded * width);
  const auto gammas = random.normals(2 * size);
  const auto cosines = random.normals(batch.longest() * half), sines = random.normals(batch.longest() * half);
  Row y, dx, dgammas(2 * size, 0.0);
  for (const T& value : x) y.push_back(widen(value));
  for (const T& value : dy) dx.push_back(widen(value));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t head = 0; head < heads + keys; ++head) {
      const int64_t at = r * width + head * size, gamma = head < heads ? 0 : size;
      const double factor = head < heads ? scale : 1.0;
      const float *cosine = &cosines[batch.positions[r] * half], *sine = &sines[batch.positions[r] * half];
      Row in(y.begin() + at, y.begin() + at + size), weights, back(size);
      for (int64_t i = 0; i < size; ++i) weights.push_back(double{gammas[gamma + i]} + shift);
      for (int64_t i = 0; i < half; ++i) {
        const double u = dx[at + i], v = dx[at + half + i];
        back[i] = (u * cosine[i] + v * sine[i]) * factor;
        back[half + i] = (v * cosine[i] - u * sine[i]) * factor;
      }
      const Rms rms(in, weights, back, kEps);
      for (int64_t i = 0; i < half; ++i) {
        const double u = rms.y[i] * factor, v = rms.y[half + i] * factor;
        y[at + i] = u * cosine[i] - v * sine[i];
        y[at + half + i] = v * cosine[i] + u * sine[i];
      }
      for (int64_t i = 0; i < size; ++i) {
        dx[at + i] = rms.dx[i];
        dgammas[gamma + i] += rms.dgamma[i];
      }
    }
  const kernels::HeadNorms norms{heads, keys,  size,  gammas.data(),  gammas.data() + size,
                                 kEps,  shift, scale, cosines.data(), sines.data()};
  const std::string what = std::to_string(heads) + " and " + std::to_string(keys) + " heads of " + std::to_string(size);
  check_levels("head_norms_forward, " + what, {Expected::near<T>("y", y), Expected::near<T>("in place", y)},
               [&](const kernels::Table& table, int) {
                 Guarded<T> out(x), in_place(x);
                 kernels::of<T>(table).head_norms_forward({batch.rows(), norms, x.data(), out.data()});
                 kernels::of<T>(table).head_norms_forward({batch.rows(), norms, in_place.data(), in_place.data()});
                 return Found{out.values(), in_place.values()};
               });
  check_levels("head_norms_backward, " + what, {Expected::near<T>("dx", dx), Expected::sum("dgamma", dgammas)},
               [&](const kernels::Table& table, int threads) {
                 Guarded<T> d(dy);
                 Guarded<float> dgamma(2 * size), partials(threads * 3 * size);
                 kernels::of<T>(table).head_norms_backward({batch.rows(), norms, x.data(), d.data(), dgamma.data(),
                                                            dgamma.data() + size, false, partials.data()});
                 return Found{d.values(), dgamma.values()};
               });
}

template <typename T>
void normed_residual(int64_t width, float shift, Random& random) {
  constexpr float kEps = 1e-6f;
  const Batch batch(random_lengths(random, 60), random.whole(0, 5), random);
  const int64_t rows = batch.count();
  const auto branch = random.normals<T>(batch.padded * width);
  const auto gamma = random.normals(width), residual = random.normals(rows * width),
             dsum = random.normals(rows * width);
  Row sum, dbranch, dgamma(width, 0.0), weights;
  for (const float value : gamma) weights.push_back(double{value} + shift);
  for (int64_t r = 0; r < rows; ++r) {
    Row x, d;
    for (int64_t i = 0; i < width; ++i) {
      x.push_back(widen(branch[r * width + i]));
      d.push_back(dsum[r * width + i]);
    }
    const Rms rms(x, weights, d, kEps);
    for (int64_t i = 0; i < width; ++i) {
      sum.push_back(residual[r * width + i] + rms.y[i]);
      dbranch.push_back(rms.dx[i]);
      dgamma[i] += rms.dgamma[i];
    }
  }
  dbranch.resize(batch.padded * width);
  check_levels("normed_residual of " + std::to_string(width),
               {Expected::near("sum", sum), Expected::near("without stats", sum), Expected::near<T>("dbranch", dbranch),
                Expected::sum("dgamma", dgamma)},
               [&](const kernels::Table& table, int threads) {
                 Guarded<float> out(rows * width), in_place(residual), stats(rows), d(width), partials(threads * width);
                 Guarded<T> dx(batch.padded * width);
                 const auto& k = kernels::of<T>(table);
                 k.normed_residual_forward({batch.rows(), width, branch.data(), gamma.data(), residual.data(), kEps,
                                            shift, stats.data(), out.data()});
                 k.normed_residual_forward({batch.rows(), width, branch.data(), gamma.data(), in_place.data(), kEps,
                                            shift, nullptr, in_place.data()});
                 k.normed_residual_backward({batch.rows(), width, branch.data(), stats.data(), gamma.data(), shift,
                                             dsum.data(), dx.data(), d.data(), false, partials.data()});
                 return Found{out.values(), in_place.values(), dx.values(), d.values()};
               });
}

}  // namespace

TEST(kernels_head_norms_are_the_formula) {
  Random random(61);
  for (const int64_t size : {10, 32, 34, 128}) {
    head_norms<float>(4, 2, size, 0.0f, 1.0f, random);
    head_norms<float>(3, 1, size, 1.0f, 1.3f, random);
    head_norms<bf16>(2, 2, size, 1.0f, 0.7f, random);
  }
}
TEST(kernels_normed_residual_is_the_formula) {
  Random random(62);
  for (const int64_t width : {7, 16, 33, 768}) {
    normed_residual<float>(width, 1.0f, random);
    normed_residual<bf16>(width, 0.0f, random);
  }
}
