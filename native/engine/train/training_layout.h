#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "losses/loss.h"
#include "model/half_weights.h"
#include "model/parameters.h"
#include "nn/backend.h"
#include "nn/gradient_places.h"
#include "train/compact_vocabulary.h"

namespace vectune {

/// The flat buffers of training. Weights: compact word embeddings [used × hidden], then everything that follows the
/// word embeddings in the ParameterTable, then the loss's own parameters, if it has any. Frozen matrices that the model
/// keeps in bf16 are not among them: they are read where they are (`kept`). Gradients and both moments: of what is
/// trained alone, in the same order (GradientPlaces).
class TrainingLayout {
 public:
  /// A run of neighbouring parameters that AdamW treats alike.
  struct Segment {
    int64_t begin, elements;
    int64_t gradient_begin;  // in gradients and moments
    bool decays;
  };

  /// A parameter of the loss's own; never frozen.
  struct OfLoss {
    LossParameter parameter;
    int64_t begin, gradient_begin;
    std::string name_in_files() const { return "loss." + parameter.name; }
  };

  /// `half`, where there is one, is how the model keeps its weights. Error(kInvalidArgument) for a freeze entry that
  /// names no parameter, or if nothing of the model is left to train.
  TrainingLayout(const ParameterTable& table, const EncoderSpec& spec, const CompactVocabulary& vocabulary,
                 const std::vector<std::string>& freeze, const std::vector<LossParameter>& of_loss,
                 const HalfWeights* half);

  int64_t elements() const { return elements_; }  // of the weights
  int64_t of_model() const { return of_model_; }  // of them those of the model, which are the first
  const std::vector<OfLoss>& of_loss() const { return of_loss_; }
  int64_t words() const { return words_; }            // elements of the compact table
  int64_t rest_begin() const { return rest_begin_; }  // in the ParameterTable
  int64_t at(int64_t table_offset) const {
    return table_offset - rest_begin_ - left_out_.before(table_offset) + words_;
  }
  /// The bf16 numbers of frozen matrices, by their offset in the table.
  const std::map<int64_t, at::Tensor>& kept() const { return kept_; }
  /// Whether a parameter is in one of these.
  bool keeps(const Parameter& parameter) const { return left_out_.has(parameter.offset); }
  const GradientPlaces& gradients() const { return gradients_; }
  /// Of a parameter in gradients and moments; GradientPlaces::kFrozen where it has none.
  int64_t gradient_at(const Parameter& parameter) const;
  /// Bytes of weights, gradients and moments; of what is kept in bf16 none.
  int64_t bytes() const { return static_cast<int64_t>(sizeof(float)) * (elements_ + 3 * gradients_.elements()); }
  const std::vector<Segment>& segments() const { return segments_; }
  const Wanted& wanted() const { return wanted_; }
  bool trains(const Parameter& parameter) const;
  int64_t trainable_parameters() const { return trainable_; }
  int64_t optimised_parameters() const { return optimised_; }

  template <typename Float>
  FlatView<Float> view(Float* flat) const {
    return {flat, flat + words_, rest_begin_, &left_out_};
  }

 private:
  std::vector<std::string> freeze_;
  std::map<int64_t, at::Tensor> kept_;
  LeftOut left_out_;
  std::vector<Segment> segments_;
  std::vector<OfLoss> of_loss_;
  GradientPlaces gradients_;
  std::unordered_map<int64_t, int64_t> gradient_at_;  // by a trained parameter's offset in the table
  Wanted wanted_;
  int64_t words_, rest_begin_, of_model_, elements_, trainable_ = 0, optimised_ = 0;
};

}  // namespace vectune
