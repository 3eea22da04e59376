#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/norm_kind.h"

namespace vectune {

struct EncoderSpec;

/// The plan of an architecture: what of its computation, and of its tensors' names, the sizes in a spec do not tell.
/// One file of architectures/ each; nothing else knows an architecture by its name.
///
/// What plans have in common is written in nn/encoder.cpp; where they differ, the choice is here, and the operation
/// that it needs in the backends (nn/backend.h).
struct Architecture {
  /// How tokens come to rows of the position table.
  enum class Positions {
    kInOrder,   // the n-th token has row n
    kAfterPad,  // the n-th token that is not the pad token has row pad + n, and a pad token row pad (fairseq)
    kRotary,    // there is no table: queries and keys are turned by the token's number (model/layer_attention.h)
  };

  /// Where a layer's norms stand.
  enum class NormPlace {
    kAfterSum,  // x = norm(x + part(x))
    kBefore,    // x = x + part(norm(x)), and a last norm after all layers
    kAround,    // x = x + norm(part(norm(x))), likewise
  };

  /// Which half of what `up` gives goes through the activation; the other is what it is multiplied by.
  enum class Gate { kNone, kFirst, kSecond };

  /// Which products and norms have a bias.
  struct Biases {
    bool qkv = true, attention_out = true, up = true, down = true, norms = true;
  };

  /// What dropout is applied to beside the embeddings and attention's probabilities, and with which of a spec's two
  /// probabilities.
  struct Drops {
    enum class By { kNone, kHidden, kAttention };
    By attention_out = By::kHidden;  // what attention adds to the residual stream
    bool gated = false;              // what comes out of a gate, by kHidden
    bool output = true;              // what the feed-forward part adds, by kHidden
    bool embedding = true;           // the embeddings, by kHidden
  };

  /// Whether a matrix leads from the embeddings to the layers: where the two are not as wide, or always.
  enum class Projection { kNone, kBetweenWidths, kAlways };

  /// Names of tensors, without prefix and ".weight" or ".bias".
  struct Names {
    std::string words = "embeddings.word_embeddings", positions = "embeddings.position_embeddings",
                types = "embeddings.token_type_embeddings";
    std::string embedding_norm = "embeddings.LayerNorm";  // empty: the embeddings have no norm
    std::string projection;                               // of the embeddings, to the layers' width
    std::string relative_bias;                            // one table for all layers; empty where scores have no bias
    std::string layer;                                    // before a layer's number; where layers are shared, of all
    // Where `key` and `value` are empty, one tensor has the three, and where `gate` is, `up` has both halves; else the
    // gate's stands before `up` or behind it, as Gate says.
    std::string query, key, value, attention_out, attention_norm, up, gate, down, output_norm;
    std::string query_norm, key_norm;                       // of each head; empty where there are none
    std::string attention_branch_norm, output_branch_norm;  // of what the parts give, where norms stand around them
    std::string final_norm;
  };

  /// Names that files of other releases have for the same tensors: what is found of `replace`, in its order, is
  /// replaced. A tensor of `joined` is several in one, one above the other.
  struct FormerNames {
    std::vector<std::pair<std::string, std::string>> replace;              // former, present
    std::vector<std::pair<std::string, std::vector<std::string>>> joined;  // former, present
  };

  std::string name;                   // "model_type" in config.json
  std::vector<std::string> prefixes;  // that tensors of a model with a head have
  Positions positions = Positions::kInOrder;
  /// No encoder but a table: a text's vector is the mean of its words' rows. There are no positions, no norms and no
  /// layers, and a text may have no token.
  bool is_bag = false;
  NormPlace norm_place = NormPlace::kAfterSum;
  NormKind norm_kind = NormKind::kLayer;  // of those that stand before, and the last; all others are layer norms
  bool first_attention_norm = true;       // with kBefore: whether the first layer's attention has a norm before it
  Projection projection = Projection::kNone;
  bool shares_layers = false;  // all layers have the same parameters, whose gradients are summed over them
  bool norms_add_one = false;  // root mean square norms multiply by 1 + weight
  bool scales_words = false;   // a word's row is multiplied by the root of its width
  Gate gate = Gate::kNone;
  Biases biases;
  Drops drops;
  Names names;
  FormerNames former;

  /// Whether a head's scores have a bias by the distance of query and key (model/relative_buckets.h).
  bool has_relative_bias() const { return !names.relative_bias.empty(); }
  bool has_position_table() const { return positions != Positions::kRotary && !is_bag; }
  bool norms_before() const { return norm_place != NormPlace::kAfterSum; }
  bool norms_around() const { return norm_place == NormPlace::kAround; }
  bool has_embedding_norm() const { return !names.embedding_norm.empty() && !is_bag; }
  bool has_head_norms() const { return !names.query_norm.empty(); }
  bool gated() const { return gate != Gate::kNone; }
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
