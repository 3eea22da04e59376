#include "model/spec.h"

#include <iterator>

#include "runtime/errors.h"

namespace vectune {

namespace {

/// Far above any model; each layer has a dozen names and views, however narrow it is.
constexpr int64_t kMostLayers = 4096;

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::kInvalidArgument, message);
}

void require_positive(int64_t value, const char* field) {
  require(value > 0, std::string("encoder.") + field + " must be a positive integer, found " + std::to_string(value));
}

void require_probability(float p, const char* field) {
  require(p >= 0.0f && p < 1.0f,
          std::string("encoder.") + field + " must be at least 0 and below 1, found " + std::to_string(p));
}

}  // namespace

int64_t ModelSpec::dimension() const {
  int64_t width = encoder.hidden_size;
  for (const auto& module : head) {
    if (const auto* pooling = std::get_if<PoolingSpec>(&module)) {
      width = encoder.hidden_size * static_cast<int64_t>(pooling->modes.size());
    } else if (const auto* dense = std::get_if<DenseSpec>(&module)) {
      width = dense->out_features;
    }
  }
  return width;
}

void ModelSpec::validate() const {
  require(encoder.architecture != nullptr, "encoder.architecture must be given");
  require_positive(encoder.vocab_size, "vocabSize");
  require_positive(encoder.hidden_size, "hiddenSize");
  const bool bag = encoder.architecture->is_bag;
  if (bag) require(encoder.layers == 0, "encoder.layers must be 0 in this architecture");
  else require_positive(encoder.layers, "layers");
  require(encoder.layers <= kMostLayers, "encoder.layers must be at most " + std::to_string(kMostLayers) + ", found " +
                                             std::to_string(encoder.layers));
  require_positive(encoder.heads, "heads");
  require_positive(encoder.intermediate_size, "intermediateSize");
  require_positive(encoder.positions, "positions");
  const Architecture::Projection projection = encoder.architecture->projection;
  require(encoder.embedding_size >= 0 &&
              (projection == Architecture::Projection::kNone     ? encoder.embedding_size == 0
               : projection == Architecture::Projection::kAlways ? encoder.embedding_size > 0
                                                                 : encoder.embedding_size != encoder.hidden_size),
          "encoder.embeddingSize must be given where this architecture leads from the embeddings to its layers by a "
          "matrix, and nowhere else; found " +
              std::to_string(encoder.embedding_size));
  require(encoder.head_dim >= 0 && encoder.key_value_heads >= 0,
          "encoder.headDim and encoder.keyValueHeads must not be negative");
  require(encoder.head_dim > 0 || encoder.hidden_size % encoder.heads == 0,
          "encoder.hiddenSize must be a multiple of encoder.heads, found " + std::to_string(encoder.hidden_size) +
              " and " + std::to_string(encoder.heads));
  require(encoder.heads % encoder.key_heads() == 0,
          "encoder.heads must be a multiple of encoder.keyValueHeads, found " + std::to_string(encoder.heads) +
              " and " + std::to_string(encoder.key_heads()));
  require(encoder.query_scale > 0 && encoder.query_scale < 1e6 &&
              (encoder.query_scale == 1 || encoder.architecture->has_head_norms()),
          "encoder.queryScale must be above 0, and 1 in this architecture");
  require(encoder.type_vocab_size >= 0, "encoder.typeVocabSize must not be negative");
  require(
      encoder.position_offset >= 0 && encoder.position_offset < encoder.positions,
      "encoder.positionOffset must be a row of the position table, found " + std::to_string(encoder.position_offset));
  require(encoder.pad_id >= -1 && encoder.pad_id < encoder.vocab_size,
          "encoder.padTokenId must be an id of the vocabulary, found " + std::to_string(encoder.pad_id));
  require(encoder.architecture->positions != Architecture::Positions::kAfterPad ||
              encoder.pad_id == encoder.position_offset - 1,
          "encoder.padTokenId must be encoder.positionOffset - 1 in this architecture, found " +
              std::to_string(encoder.pad_id) + " and " + std::to_string(encoder.position_offset));
  const bool rotary = encoder.architecture->positions == Architecture::Positions::kRotary;
  require(encoder.attention.empty() ? !rotary : std::ssize(encoder.attention) == encoder.layers,
          "encoder.attention must have an entry for each layer, found " + std::to_string(encoder.attention.size()));
  require(!rotary || (encoder.position_offset == 0 && encoder.head_size() % 2 == 0),
          "encoder.positionOffset must be 0, and heads of an even size, where positions are rotary");
  for (const LayerAttention& layer : encoder.attention) {
    require(layer.rotary.on() == rotary, rotary ? "encoder.attention: ropeTheta must be above 0"
                                                : "encoder.attention: this architecture has no rotary positions");
    require(layer.rotary.divisor > 0, "encoder.attention: ropeDivisor must be above 0");
    require(layer.reach.before >= 0 && layer.reach.after >= 0, "encoder.attention: window must not be negative");
  }
  require(encoder.layer_norm_eps > 0.0f, "encoder.layerNormEps must be positive");
  require_probability(encoder.hidden_dropout, "hiddenDropout");
  require_probability(encoder.attention_dropout, "attentionDropout");

  // Sizes are multiplied below and in the flat buffers: beyond this they could overflow, as here only a double cannot.
  const double hidden = static_cast<double>(encoder.hidden_size),
               inner = static_cast<double>(encoder.intermediate_size);
  const double positions = encoder.architecture->has_position_table() ? static_cast<double>(encoder.positions) : 0.0;
  const double rows =
      static_cast<double>(encoder.vocab_size) + positions + static_cast<double>(encoder.type_vocab_size);
  const double heads =
      static_cast<double>(encoder.head_size()) * static_cast<double>(2 * encoder.heads + 2 * encoder.key_heads());
  const double width = static_cast<double>(encoder.embedding_width());
  double elements = static_cast<double>(encoder.layers) * hidden * (heads + 3 * inner) + width * (rows + hidden);
  const auto require_countable = [&] {
    require(elements < 1e12, "a model of more than 1e12 parameters cannot be made");
  };
  require_countable();

  require(!head.empty() && std::holds_alternative<PoolingSpec>(head.front()), "head[0] must be a pooling");
  int64_t vector = 0;
  for (size_t i = 0; i < head.size(); ++i) {
    const std::string where = "head[" + std::to_string(i) + "]";
    if (const auto* pooling = std::get_if<PoolingSpec>(&head[i])) {
      require(i == 0, where + ": there can be one pooling, and it comes first");
      require(!pooling->modes.empty(), where + ": a pooling needs at least one mode");
      require(!bag || (pooling->modes.size() == 1 && pooling->modes.front() == PoolingMode::kMean),
              where + ": the pooling must be the mean in this architecture");
      for (size_t m = 1; m < pooling->modes.size(); ++m)
        require(pooling->modes[m - 1] < pooling->modes[m],
                where +
                    ": pooling modes must be distinct, in the order "
                    "cls, max, mean, mean_sqrt_len, weightedmean, lasttoken");
      vector = encoder.hidden_size * static_cast<int64_t>(pooling->modes.size());
    } else if (const auto* dense = std::get_if<DenseSpec>(&head[i])) {
      require(dense->in_features == vector, where + ": inFeatures must be the width before it, " +
                                                std::to_string(vector) + ", found " +
                                                std::to_string(dense->in_features));
      require(dense->out_features > 0, where + ": outFeatures must be positive");
      elements += (dense->residual ? 2.0 : 1.0) * static_cast<double>(dense->in_features) *
                  static_cast<double>(dense->out_features);
      require_countable();
      vector = dense->out_features;
    } else if (const auto* norm = std::get_if<LayerNormSpec>(&head[i])) {
      require(norm->dimension == vector, where + ": dimension must be the width before it, " + std::to_string(vector) +
                                             ", found " + std::to_string(norm->dimension));
    }
  }
}

}  // namespace vectune
