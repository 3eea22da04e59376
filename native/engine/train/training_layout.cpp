#include "train/training_layout.h"

#include <algorithm>

#include "runtime/errors.h"

namespace vectune {

namespace {

/// `frozen` names the parameter or a module above it.
bool covers(const std::string& frozen, const std::string& name) {
  return name == frozen ||
         (name.size() > frozen.size() && name.compare(0, frozen.size(), frozen) == 0 && name[frozen.size()] == '.');
}

/// Where what one operation writes ends, the first parameter of which is this one.
int64_t end_of_unit(const ParameterTable& table, const Parameter& first) {
  for (const LayerAt& layer : table.layers)
    for (const LinearAt* linear : {&layer.qkv, &layer.up}) {
      if (first.offset == linear->weight) return first.offset + linear->out * linear->in;
      if (first.offset == linear->bias) return first.offset + linear->out;
    }
  return first.offset + first.elements;
}

}  // namespace

TrainingLayout::TrainingLayout(const ParameterTable& table, const EncoderSpec& spec,
                               const CompactVocabulary& vocabulary, const std::vector<std::string>& freeze,
                               const std::vector<LossParameter>& of_loss, const HalfWeights* half)
    : freeze_(freeze) {
  words_ = vocabulary.size() * spec.embedding_width();
  rest_begin_ = spec.vocab_size * spec.embedding_width();

  for (const auto& entry : freeze_)
    if (std::none_of(table.all().begin(), table.all().end(), [&](const auto& p) { return covers(entry, p.name); }))
      throw Error(ErrorCode::kInvalidArgument, "freeze: '" + entry +
                                                   "' names no parameter and no module; the first parameters are '" +
                                                   table.all().front().name + "' and '" + table.all()[1].name + "'.");

  const auto any_trained = [&](int64_t begin, int64_t end) {
    return std::any_of(table.all().begin(), table.all().end(),
                       [&](const Parameter& p) { return p.offset >= begin && p.offset < end && trains(p); });
  };
  for (const LinearAt* linear : table.linears()) {
    const int64_t begin = linear->weight, elements = linear->in * linear->out;
    if (!half || !half->is_half(begin) || any_trained(begin, begin + elements)) continue;
    kept_.emplace(begin, half->kept(begin));
    left_out_.add(begin, elements);
  }
  of_model_ = elements_ = words_ + table.elements() - rest_begin_ - left_out_.elements();

  wanted_ = {false,      false, false, false, false, false, std::vector<bool>(static_cast<size_t>(spec.layers), false),
             spec.layers};
  int64_t unit = 0, unit_end = 0, place = 0;  // of what one operation writes
  int64_t segment_end = 0;                    // in the table
  for (const auto& parameter : table.all()) {
    const bool is_words = parameter.offset == table.word_embeddings;
    if (parameter.offset >= unit_end) {
      unit = parameter.offset;
      unit_end = end_of_unit(table, parameter);
      if (any_trained(unit, unit_end)) place = gradients_.add(unit, is_words ? words_ : unit_end - unit);
      if (parameter.offset < table.tables_end) gradients_.tables = gradients_.elements();
      if (parameter.offset < table.layers_end()) gradients_.encoder = gradients_.elements();
    }
    if (!trains(parameter)) continue;
    const int64_t begin = is_words ? 0 : at(parameter.offset), elements = is_words ? words_ : parameter.elements,
                  gradient_begin = place + parameter.offset - unit;
    gradient_at_.emplace(parameter.offset, gradient_begin);
    trainable_ += parameter.elements;
    optimised_ += elements;
    // What is left out of the weights parts what it stands between: a sum over a segment is the same with it or
    // without.
    if (!segments_.empty() && segments_.back().decays == parameter.decays && segment_end == parameter.offset &&
        segments_.back().gradient_begin + segments_.back().elements == gradient_begin)
      segments_.back().elements += elements;
    else segments_.push_back({begin, elements, gradient_begin, parameter.decays});
    segment_end = parameter.offset + parameter.elements;

    if (parameter.offset < table.embeddings_end) {
      wanted_.words |= is_words;
      wanted_.positions |= parameter.offset == table.position_embeddings;
      wanted_.types |= parameter.offset == table.type_embeddings;
      wanted_.relative_bias |= parameter.offset == table.relative_bias;
      wanted_.embedding_norm |=
          parameter.offset == table.embedding_norm.weight || parameter.offset == table.embedding_norm.bias;
      wanted_.lowest_layer = 0;
    }
    if (const LinearAt& projection = table.embedding_projection;
        projection.out > 0 && (parameter.offset == projection.weight || parameter.offset == projection.bias)) {
      wanted_.embedding_projection = true;
      wanted_.lowest_layer = 0;
    }
    for (int64_t i = 0; i < spec.layers; ++i) {
      const LayerAt& layer = table.layers[static_cast<size_t>(i)];
      if (parameter.offset < layer.begin || parameter.offset >= layer.end) continue;
      wanted_.layers[static_cast<size_t>(i)] = true;
      wanted_.lowest_layer = std::min(wanted_.lowest_layer, i);
    }
  }
  if (segments_.empty())
    throw Error(ErrorCode::kInvalidArgument, "freeze: nothing is left to train; every parameter is frozen.");
  for (const LossParameter& parameter : of_loss) {
    const int64_t elements = parameter.elements(),
                  gradient_begin = gradients_.add(table.elements() + elements_ - of_model_, elements);
    segments_.push_back({elements_, elements, gradient_begin, parameter.decays});
    of_loss_.push_back({parameter, elements_, gradient_begin});
    elements_ += elements;
  }
}

int64_t TrainingLayout::gradient_at(const Parameter& parameter) const {
  const auto found = gradient_at_.find(parameter.offset);
  return found == gradient_at_.end() ? GradientPlaces::kFrozen : found->second;
}

bool TrainingLayout::trains(const Parameter& parameter) const {
  return std::none_of(freeze_.begin(), freeze_.end(), [&](const auto& entry) { return covers(entry, parameter.name); });
}

}  // namespace vectune
