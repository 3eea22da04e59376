#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/spec.h"

namespace vectune {

/// One named parameter: a view [offset, offset + elements) of the flat buffer.
struct Parameter {
  std::string name;  // Hugging Face's, without prefix; of the head "head.{i}.linear.weight", "head.{i}.norm.weight"
  int module;        // ModuleFile::kEncoder or the head's index
  std::vector<int64_t> shape;
  int64_t offset;
  int64_t elements;
  bool decays;  // weight decay applies: not to biases and layer norms
};

/// Where a linear layer's weight [out × in] and bias [out] lie.
struct LinearAt {
  int64_t weight = 0, bias = -1, in = 0, out = 0;
  size_t number = 0;  // among the encoder's (ParameterTable::linears), or in the head
};
struct NormAt {
  int64_t weight = 0, bias = 0;  // −1 where there is none
  size_t number = 0;             // among ParameterTable::norms, or in the head
  int64_t width = 0;
  bool exists() const { return weight >= 0; }
};
struct LayerAt {
  LinearAt qkv;  // query, key and value stand one after the other, so that one GEMM does the three
  NormAt query_norm{-1, -1}, key_norm{-1, -1};  // of each head
  LinearAt attention_out;
  NormAt attention_norm;  // of the attention part: after it or before it, as the architecture has its norms
  LinearAt up, down;      // with a gate `up` has both halves, one after the other
  NormAt output_norm;     // of the feed-forward part, likewise
  NormAt attention_branch_norm{-1, -1}, output_branch_norm{-1, -1};  // of what the parts give
  int64_t begin = 0, end = 0;  // the layer's range of the flat buffer; the last one's has the final norm too. Layers
                               // that are shared have one range
};

/// Ranges of the ParameterTable's layout, rising, that a flat buffer does not have.
class LeftOut {
 public:
  void add(int64_t begin, int64_t elements) {
    ranges_.push_back({begin, begin + elements, elements_});
    elements_ += elements;
  }
  /// Of all ranges together.
  int64_t elements() const { return elements_; }
  /// Of those before an offset.
  int64_t before(int64_t offset) const {
    for (auto range = ranges_.rbegin(); range != ranges_.rend(); ++range)
      if (range->end <= offset) return range->before + range->end - range->begin;
    return 0;
  }
  bool has(int64_t offset) const {
    for (const Range& range : ranges_)
      if (range.begin <= offset && offset < range.end) return true;
    return false;
  }

 private:
  struct Range {
    int64_t begin, end, before;
  };
  std::vector<Range> ranges_;
  int64_t elements_ = 0;
};

/// A flat fp32 buffer in the ParameterTable's layout; the word embeddings may stand elsewhere (compact), and matrices
/// be left out.
template <typename Float>
struct FlatView {
  Float* words = nullptr;
  Float* rest = nullptr;  // what follows the word embeddings
  int64_t rest_begin = 0;
  const LeftOut* left_out = nullptr;  // none where null

  Float* at(int64_t offset) const { return rest + (offset - rest_begin - (left_out ? left_out->before(offset) : 0)); }
};

/// Layout of a model's flat parameter buffer: the word embeddings first (so that training can replace
/// them by a compact table), then the rest in the order of the forward pass.
class ParameterTable {
 public:
  explicit ParameterTable(const ModelSpec& spec);

  const Architecture& architecture() const { return *architecture_; }
  const std::vector<Parameter>& all() const { return all_; }
  const Parameter* find(const std::string& name) const;
  /// The encoder's matrices, in the order of the forward pass.
  std::vector<const LinearAt*> linears() const;
  /// Its norms, likewise.
  std::vector<const NormAt*> norms() const;
  int64_t elements() const { return elements_; }

  int64_t word_embeddings = 0, position_embeddings = -1, type_embeddings = -1;  // −1 where there is none
  int64_t relative_bias = -1;  // [kRelativeBuckets × heads]; −1 where the architecture has none
  NormAt embedding_norm{-1, -1, 0};
  LinearAt embedding_projection;  // empty (out = 0) where there is none; its range is behind the embeddings'
  int64_t tables_end = 0;         // of those above, which are added to row by row; the embedding norm follows
  int64_t embeddings_end = 0;
  int64_t layers_end() const { return layers.empty() ? embeddings_end : layers.back().end; }
  std::vector<LayerAt> layers;
  /// Those that have parameters of their own.
  size_t own_layers() const { return architecture_->shares_layers ? 1 : layers.size(); }
  NormAt final_norm{-1, -1};
  std::vector<LinearAt> head;        // per head module; empty (out = 0) where it is no Dense
  std::vector<LinearAt> residual;    // the matrix of a Dense's residual, likewise; numbered behind those of `head`
  std::vector<NormAt> module_norms;  // per head module; none where it is no LayerNorm
  /// Whether a module of the head has parameters.
  bool has_parameters(size_t module) const { return head[module].out > 0 || module_norms[module].exists(); }

 private:
  int64_t add(const std::string& name, int module, std::vector<int64_t> shape, bool decays);
  const Architecture* architecture_;
  std::vector<Parameter> all_;
  std::unordered_map<std::string, size_t> index_;
  int64_t elements_ = 0;
  size_t linears_ = 0, norms_ = 0;
};

}  // namespace vectune
