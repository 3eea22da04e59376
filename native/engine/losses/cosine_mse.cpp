#include "losses/cosine_mse.h"

#include <algorithm>
#include <cmath>

namespace vectune::cosine_mse {

namespace {

constexpr double kEps = 1e-8;  // torch.cosine_similarity

struct Cosine {
  double dot, norm_u, norm_v;  // norms already at least ε
  double value() const { return dot / (norm_u * norm_v); }
};

Cosine cosine(const float* u, const float* v, int64_t dimension) {
  double uv = 0, uu = 0, vv = 0;
  for (int64_t i = 0; i < dimension; ++i) {
    uv += double{u[i]} * v[i];
    uu += double{u[i]} * u[i];
    vv += double{v[i]} * v[i];
  }
  return {uv, std::max(std::sqrt(uu), kEps), std::max(std::sqrt(vv), kEps)};
}

}  // namespace

void similarities(const float* embeddings, int64_t pairs, int64_t dimension, float* cosines) {
  for (int64_t p = 0; p < pairs; ++p) {
    const float* u = embeddings + 2 * p * dimension;
    cosines[p] = static_cast<float>(cosine(u, u + dimension, dimension).value());
  }
}

double loss_and_gradient(const float* embeddings, const float* scores, int64_t pairs, int64_t dimension,
                         int64_t pairs_in_loss, float* gradient) {
  double loss = 0;
  for (int64_t p = 0; p < pairs; ++p) {
    const float* u = embeddings + 2 * p * dimension;
    const float* v = u + dimension;
    float* du = gradient + 2 * p * dimension;
    float* dv = du + dimension;
    const Cosine c = cosine(u, v, dimension);
    const double value = c.value(), difference = value - scores[p];
    loss += difference * difference;
    // d cos/du = v/(|u||v|) − cos·u/|u|²
    const double slope = 2.0 * difference / static_cast<double>(pairs_in_loss);
    const double across = slope / (c.norm_u * c.norm_v);
    const double along_u = slope * value / (c.norm_u * c.norm_u), along_v = slope * value / (c.norm_v * c.norm_v);
    for (int64_t i = 0; i < dimension; ++i) {
      du[i] = static_cast<float>(across * v[i] - along_u * u[i]);
      dv[i] = static_cast<float>(across * u[i] - along_v * v[i]);
    }
  }
  return loss / static_cast<double>(pairs_in_loss);
}

}  // namespace vectune::cosine_mse
