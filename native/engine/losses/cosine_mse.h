#pragma once
#include <cstdint>

namespace vectune {

/// Mean squared error of cosine similarities (sentence-transformers' CosineSimilarityLoss): for pair p with
/// embeddings u, v (texts 2p, 2p+1) and score s,  cos = u·v / (max(|u|, ε)·max(|v|, ε)), ε = 1e-8,
/// loss = Σ (cos − s)² / pairs_in_loss.  A loss sees embeddings and returns their gradient, nothing more.
namespace cosine_mse {

/// cosines[p] for `pairs` pairs of embeddings [2·pairs × dimension].
void similarities(const float* embeddings, int64_t pairs, int64_t dimension, float* cosines);

/// Returns this batch's share of the loss; `pairs_in_loss` is the effective batch. gradient [2·pairs × dimension].
double loss_and_gradient(const float* embeddings, const float* scores, int64_t pairs, int64_t dimension,
                         int64_t pairs_in_loss, float* gradient);

}  // namespace cosine_mse
}  // namespace vectune
