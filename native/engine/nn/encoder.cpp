#include "nn/encoder.h"

#include <iterator>

namespace vectune {

using Branch = Backend::Branch;
using Site = DropoutPlan::Site;

void Encoder::forward(const DropoutPlan& dropout, const Cancel& cancel, const Observer& observe) const {
  cancel.check();
  const bool before = table_.architecture().norms_before(), around = table_.architecture().norms_around();
  backend_.embed(table_.embedding_norm, dropout.at(0, Site::kEmbedding));
  if (table_.embedding_projection.out > 0) backend_.project(table_.embedding_projection);
  if (observe) observe(0);
  const int64_t layers = std::ssize(table_.layers);
  for (int64_t i = 0; i < layers; ++i) {
    cancel.check();
    const LayerAt& at = table_.layers[static_cast<size_t>(i)];
    const Dropout attention_out = dropout.at(i, Site::kAttentionOut), output = dropout.at(i, Site::kOutput);
    if (before && at.attention_norm.exists()) backend_.norm_before(i, Branch::kAttention, at.attention_norm);
    backend_.attention(i, at.qkv, dropout.at(i, Site::kAttention));
    if (around) backend_.normed_residual(i, Branch::kAttention, at.attention_out, at.attention_branch_norm);
    else if (before) backend_.residual(i, Branch::kAttention, at.attention_out, attention_out);
    else backend_.residual_norm(i, Branch::kAttention, at.attention_out, at.attention_norm, attention_out);
    if (before) backend_.norm_before(i, Branch::kFeedForward, at.output_norm);
    backend_.feed_forward(i, at.up, dropout.at(i, Site::kGated));
    if (around) backend_.normed_residual(i, Branch::kFeedForward, at.down, at.output_branch_norm);
    else if (before) backend_.residual(i, Branch::kFeedForward, at.down, output);
    else backend_.residual_norm(i, Branch::kFeedForward, at.down, at.output_norm, output);
    if (i + 1 == layers && table_.final_norm.exists()) backend_.final_norm(table_.final_norm);
    if (observe) observe(i + 1);
  }
}

void Encoder::backward(const DropoutPlan& dropout, const Wanted& wanted, const Cancel& cancel,
                       const Observer& observe) const {
  const bool before = table_.architecture().norms_before(), around = table_.architecture().norms_around();
  const int64_t layers = std::ssize(table_.layers);
  for (int64_t i = layers - 1; i >= wanted.lowest_layer; --i) {
    cancel.check();
    const LayerAt& at = table_.layers[static_cast<size_t>(i)];
    const bool weights = wanted.layers[static_cast<size_t>(i)];
    const Dropout attention_out = dropout.at(i, Site::kAttentionOut), output = dropout.at(i, Site::kOutput);
    if (i + 1 == layers && table_.final_norm.exists()) backend_.final_norm_backward(table_.final_norm);
    if (around) backend_.normed_residual_backward(i, Branch::kFeedForward, at.down, at.output_branch_norm, weights);
    else if (before) backend_.residual_backward(i, Branch::kFeedForward, at.down, output, weights);
    else backend_.residual_norm_backward(i, Branch::kFeedForward, at.down, at.output_norm, output, weights);
    backend_.feed_forward_backward(i, at.up, dropout.at(i, Site::kGated), weights);
    if (before) backend_.norm_before_backward(i, Branch::kFeedForward, at.output_norm);
    if (around)
      backend_.normed_residual_backward(i, Branch::kAttention, at.attention_out, at.attention_branch_norm, weights);
    else if (before) backend_.residual_backward(i, Branch::kAttention, at.attention_out, attention_out, weights);
    else
      backend_.residual_norm_backward(i, Branch::kAttention, at.attention_out, at.attention_norm, attention_out,
                                      weights);
    const bool normed = before && at.attention_norm.exists();
    backend_.attention_backward(i, at.qkv, dropout.at(i, Site::kAttention), weights,
                                normed || i > wanted.lowest_layer || wanted.embeddings());
    if (normed) backend_.norm_before_backward(i, Branch::kAttention, at.attention_norm);
    if (observe) observe(i);
  }
  // Below what is trained the gradient of the hidden states is not wanted, but that of a head above them is.
  for (int64_t i = wanted.lowest_layer - 1; observe && i >= 0; --i) observe(i);
  if (wanted.lowest_layer > 0 || !wanted.embeddings()) return;
  cancel.check();
  if (table_.embedding_projection.out > 0)
    backend_.project_backward(table_.embedding_projection, wanted.embedding_projection);
  backend_.embed_backward(table_.embedding_norm, dropout.at(0, Site::kEmbedding), wanted);
}

}  // namespace vectune
