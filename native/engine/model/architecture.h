#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vectune {

struct EncoderSpec;

/// The plan of an architecture: what of its computation, and of its tensors' names, the sizes in a spec do not tell.
/// One file of architectures/ each; nothing else knows an architecture by its name.
///
/// What all plans have in common is written in nn/encoder.cpp: learned positions, full attention within a text, a layer
/// norm after each residual sum, a bias on every product, an activation without a gate. One that differs adds the
/// choice here, and to the backends (nn/backend.h) the operation that it needs.
struct Architecture {
  /// How tokens come to rows of the position table.
  enum class Positions {
    kInOrder,   // the n-th token has row n
    kAfterPad,  // the n-th token that is not the pad token has row pad + n, and a pad token row pad (fairseq)
  };

  /// Names of tensors, without prefix and ".weight" or ".bias".
  struct Names {
    std::string words = "embeddings.word_embeddings", positions = "embeddings.position_embeddings",
                types = "embeddings.token_type_embeddings", embedding_norm = "embeddings.LayerNorm";
    std::string relative_bias;  // one table for all layers; empty where scores have no bias
    std::string layer;          // before a layer's number
    std::string query, key, value, attention_out, attention_norm, up, down, output_norm;
  };

  std::string name;                   // "model_type" in config.json
  std::vector<std::string> prefixes;  // that tensors of a model with a head have
  Positions positions = Positions::kInOrder;
  bool drops_attention_output = true;  // dropout of what attention adds to the residual stream
  /// No encoder but a table: a text's vector is the mean of its words' rows. There are no positions, no norms and no
  /// layers, and a text may have no token.
  bool is_bag = false;
  Names names;

  /// Whether a head's scores have a bias by the distance of query and key (model/relative_buckets.h).
  bool has_relative_bias() const { return !names.relative_bias.empty(); }
};

/// All there are.
const std::vector<const Architecture*>& architectures();
/// Error(kInvalidArgument) where there is none of that name.
const Architecture& architecture(std::string_view name);

/// The row of the position table of each token of a text. Every backend asks this one function.
void write_positions(const EncoderSpec& spec, const int32_t* ids, int64_t tokens, int32_t* rows);
/// That of the padding token where it has one of its own, else −1.
int64_t pad_position(const EncoderSpec& spec);

}  // namespace vectune
