#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "files/safetensors.h"
#include "model/architecture.h"
#include "model/hidden_activation.h"
#include "model/layer_attention.h"

namespace vectune {

/// kWeightedMean: a text's n-th row counts n times.
enum class PoolingMode { kCls, kMax, kMean, kMeanSqrtLen, kWeightedMean, kLastToken };
enum class DenseActivation {
  kTanh,
  kIdentity,
  kRelu,
  kGelu,
  kSigmoid,
  kSilu,
  kLeakyRelu,
  kElu,
  kSelu,
  kSoftplus,
  kMish
};
/// kInt8 is for embedding on the processor only, kTf32 (fp32 with TF32 products) and kFp16 for GPUs only.
enum class Precision { kFp32, kBf16, kInt8, kTf32, kFp16 };

/// Shape of the encoder, in Hugging Face's terms.
struct EncoderSpec {
  const Architecture* architecture = nullptr;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t embedding_size = 0;  // where a matrix leads from the embeddings to the layers; 0: there is none
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t intermediate_size = 0;
  int64_t positions = 0;        // rows of the position table, or where there is none, the most tokens of a text
  int64_t type_vocab_size = 0;  // 0: the architecture has no token types
  int64_t position_offset = 0;  // row of a text's first token
  /// The padding token by the configuration, −1 without one: what it takes from the tables gets no gradient, as with
  /// torch.nn.Embedding's padding_idx. Where positions are kAfterPad it is position_offset − 1.
  int64_t pad_id = -1;
  float layer_norm_eps = 1e-12f;
  HiddenActivation hidden_activation = HiddenActivation::kGelu;
  float hidden_dropout = 0.1f;
  float attention_dropout = 0.1f;
  /// Of each layer; empty: all see the whole text, and nothing is turned.
  std::vector<LayerAttention> attention;
  int64_t head_dim = 0;         // numbers of a head; 0: hidden_size / heads
  int64_t key_value_heads = 0;  // each has as many neighbouring heads of queries; 0: as many as `heads`
  double query_scale = 1;       // of queries, beside 1/√(numbers of a head)

  LayerAttention attention_of(int64_t layer) const {
    return attention.empty() ? LayerAttention() : attention[static_cast<size_t>(layer)];
  }
  /// Numbers of a row of the embedding tables.
  int64_t embedding_width() const { return embedding_size > 0 ? embedding_size : hidden_size; }
  int64_t head_size() const { return head_dim > 0 ? head_dim : hidden_size / heads; }
  int64_t key_heads() const { return key_value_heads > 0 ? key_value_heads : heads; }
  /// Numbers of all heads' queries, and so of what attention gives; of queries, keys and values.
  int64_t attention_width() const { return heads * head_size(); }
  int64_t qkv_width() const { return (heads + 2 * key_heads()) * head_size(); }
};

struct PoolingSpec {
  std::vector<PoolingMode> modes;  // concatenated in the enum's order
};
struct DenseSpec {
  int64_t in_features = 0;
  int64_t out_features = 0;
  bool bias = true;
  DenseActivation activation = DenseActivation::kTanh;
  /// What came in is added to what goes out, through a matrix of its own where the two are not of one width.
  bool residual = false;
};
struct NormalizeSpec {};
struct LayerNormSpec {
  int64_t dimension = 0;
};
using HeadSpec = std::variant<PoolingSpec, DenseSpec, NormalizeSpec, LayerNormSpec>;

/// What the tensors of an adapter's file do to parameters that other files have (Hu et al. 2021).
struct Adapter {
  /// W + scale·B·A, A [rank × in], B [out × rank]; transposed: W + scale·(B·A)ᵀ.
  struct Update {
    std::string target, a, b;  // names: of W as a file of weights has it, and of the adapter's tensors
    double scale = 1;
    bool transposed = false;
  };
  std::vector<Update> updates;
  std::vector<std::pair<std::string, std::string>> replaced;  // W, and the tensor that stands in its place
};

/// Which module a file belongs to: the encoder, or the Dense or LayerNorm at that index of the head.
struct ModuleFile {
  static constexpr int kEncoder = -1;
  int module = kEncoder;
  std::string path;
  std::optional<std::vector<safetensors::Place>> tensors;  // where the file is of another format than safetensors
  std::optional<Adapter> adapter;                          // where it has no parameters itself
};

struct ModelSpec {
  EncoderSpec encoder;
  std::vector<HeadSpec> head;  // the first is a PoolingSpec

  /// Width of the final embedding.
  int64_t dimension() const;
  /// Throws Error(kInvalidArgument) naming the field that cannot be.
  void validate() const;
};

}  // namespace vectune
