#include "nn/encoder.h"

namespace vectune {

using Branch = Backend::Branch;
using Site = DropoutPlan::Site;

void Encoder::forward(const DropoutPlan& dropout, const Cancel& cancel, const Observer& observe) const {
  cancel.check();
  backend_.embed(table_.embedding_norm, dropout.at(0, Site::kEmbedding));
  if (observe) observe(0);
  for (int64_t i = 0; i < static_cast<int64_t>(table_.layers.size()); ++i) {
    cancel.check();
    const LayerAt& at = table_.layers[static_cast<size_t>(i)];
    backend_.attention(i, at.qkv, dropout.at(i, Site::kAttention));
    backend_.residual_norm(i, Branch::kAttention, at.attention_out, at.attention_norm,
                           dropout.at(i, Site::kAttentionOut));
    backend_.feed_forward(i, at.up);
    backend_.residual_norm(i, Branch::kFeedForward, at.down, at.output_norm, dropout.at(i, Site::kOutput));
    if (observe) observe(i + 1);
  }
}

void Encoder::backward(const DropoutPlan& dropout, const Wanted& wanted, const Cancel& cancel,
                       const Observer& observe) const {
  for (int64_t i = static_cast<int64_t>(table_.layers.size()) - 1; i >= wanted.lowest_layer; --i) {
    cancel.check();
    const LayerAt& at = table_.layers[static_cast<size_t>(i)];
    const bool weights = wanted.layers[static_cast<size_t>(i)];
    backend_.residual_norm_backward(i, Branch::kFeedForward, at.down, at.output_norm, dropout.at(i, Site::kOutput),
                                    weights);
    backend_.feed_forward_backward(i, at.up, weights);
    backend_.residual_norm_backward(i, Branch::kAttention, at.attention_out, at.attention_norm,
                                    dropout.at(i, Site::kAttentionOut), weights);
    backend_.attention_backward(i, at.qkv, dropout.at(i, Site::kAttention), weights,
                                i > wanted.lowest_layer || wanted.embeddings());
    if (observe) observe(i);
  }
  // Below what is trained the gradient of the hidden states is not wanted, but that of a head above them is.
  for (int64_t i = wanted.lowest_layer - 1; observe && i >= 0; --i) observe(i);
  if (wanted.lowest_layer > 0 || !wanted.embeddings()) return;
  cancel.check();
  backend_.embed_backward(table_.embedding_norm, dropout.at(0, Site::kEmbedding), wanted);
}

}  // namespace vectune
