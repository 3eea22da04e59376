#include "model/parameters.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "model/relative_buckets.h"

namespace vectune {

ParameterTable::ParameterTable(const ModelSpec& spec) : architecture_(spec.encoder.architecture) {
  const EncoderSpec& e = spec.encoder;
  const Architecture::Names& n = e.architecture->names;
  const Architecture::Biases& biases = e.architecture->biases;
  const int encoder = ModuleFile::kEncoder;
  const int64_t hidden = e.hidden_size, width = e.embedding_width();
  word_embeddings = add(n.words + ".weight", encoder, {e.vocab_size, width}, true);
  if (e.architecture->has_position_table())
    position_embeddings = add(n.positions + ".weight", encoder, {e.positions, width}, true);
  if (e.type_vocab_size > 0) type_embeddings = add(n.types + ".weight", encoder, {e.type_vocab_size, width}, true);
  // By its name the Hugging Face Trainer takes it for a bias, which does not decay.
  if (e.architecture->has_relative_bias())
    relative_bias = add(n.relative_bias + ".weight", encoder, {kRelativeBuckets, e.heads}, false);

  const auto norm_of = [&](const std::string& name, int64_t width) {
    NormAt at{0, -1, norms_++, width};
    at.weight = add(name + ".weight", encoder, {width}, false);
    if (biases.norms) at.bias = add(name + ".bias", encoder, {width}, false);
    return at;
  };
  const auto norm = [&](const std::string& name) { return norm_of(name, hidden); };
  // Of several tensors the rows stand one after the other, so that one product does them all.
  struct Rows {
    std::string name;
    int64_t rows;
  };
  const auto linear = [&](const std::vector<Rows>& parts, int64_t in, bool bias) {
    LinearAt at{elements_, -1, in, 0, linears_++};
    for (const auto& [name, rows] : parts) {
      add(name + ".weight", encoder, {rows, in}, true);
      at.out += rows;
    }
    if (!bias) return at;
    at.bias = elements_;
    for (const auto& [name, rows] : parts) add(name + ".bias", encoder, {rows}, false);
    return at;
  };
  tables_end = elements_;
  if (e.architecture->has_embedding_norm()) embedding_norm = norm_of(n.embedding_norm, width);
  embeddings_end = elements_;
  if (e.embedding_size > 0) embedding_projection = linear({{n.projection, hidden}}, width, true);

  for (int64_t i = 0; i < e.layers; ++i) {
    const bool shared = e.architecture->shares_layers;
    if (shared && i > 0) {
      layers.push_back(layers.front());
      continue;
    }
    const std::string layer = n.layer + (shared ? "" : std::to_string(i) + ".");
    LayerAt at;
    at.begin = elements_;
    at.attention_norm = {-1, -1};
    const bool before = e.architecture->norms_before();
    if (before && (i > 0 || e.architecture->first_attention_norm)) at.attention_norm = norm(layer + n.attention_norm);
    const int64_t queries = e.attention_width(), keys = e.key_heads() * e.head_size(), inner = e.intermediate_size;
    std::vector<Rows> qkv{{layer + n.query, n.key.empty() ? e.qkv_width() : queries}};
    if (!n.key.empty()) qkv.insert(qkv.end(), {{layer + n.key, keys}, {layer + n.value, keys}});
    std::vector<Rows> up{{layer + n.up, e.architecture->gated() && n.gate.empty() ? 2 * inner : inner}};
    if (!n.gate.empty())
      up.insert(e.architecture->gate == Architecture::Gate::kFirst ? up.begin() : up.end(), {layer + n.gate, inner});
    at.qkv = linear(qkv, hidden, biases.qkv);
    if (e.architecture->has_head_norms()) {
      at.query_norm = norm_of(layer + n.query_norm, e.head_size());
      at.key_norm = norm_of(layer + n.key_norm, e.head_size());
    }
    const bool around = e.architecture->norms_around();
    at.attention_out = linear({{layer + n.attention_out, hidden}}, queries, biases.attention_out);
    if (around) at.attention_branch_norm = norm(layer + n.attention_branch_norm);
    if (!before) at.attention_norm = norm(layer + n.attention_norm);
    if (before) at.output_norm = norm(layer + n.output_norm);
    at.up = linear(up, hidden, biases.up);
    at.down = linear({{layer + n.down, hidden}}, inner, biases.down);
    if (around) at.output_branch_norm = norm(layer + n.output_branch_norm);
    if (!before) at.output_norm = norm(layer + n.output_norm);
    if (before && i + 1 == e.layers) final_norm = norm(n.final_norm);
    at.end = elements_;
    layers.push_back(at);
  }

  for (size_t i = 0; i < spec.head.size(); ++i) {
    LinearAt at, around;
    NormAt norm_at{-1, -1, i};
    const std::string prefix = "head." + std::to_string(i) + ".";
    const int module = static_cast<int>(i);
    if (const auto* dense = std::get_if<DenseSpec>(&spec.head[i])) {
      const std::string name = prefix + "linear";
      at = {0, -1, dense->in_features, dense->out_features, i};
      at.weight = add(name + ".weight", module, {dense->out_features, dense->in_features}, true);
      if (dense->bias) at.bias = add(name + ".bias", module, {dense->out_features}, false);
      if (dense->residual && dense->in_features != dense->out_features) {
        around = {0, -1, dense->in_features, dense->out_features, spec.head.size() + i};
        around.weight = add(prefix + "residual.weight", module, {dense->out_features, dense->in_features}, true);
      }
    }
    if (const auto* norm = std::get_if<LayerNormSpec>(&spec.head[i])) {
      norm_at.width = norm->dimension;
      norm_at.weight = add(prefix + "norm.weight", module, {norm->dimension}, false);
      norm_at.bias = add(prefix + "norm.bias", module, {norm->dimension}, false);
    }
    head.push_back(at);
    residual.push_back(around);
    module_norms.push_back(norm_at);
  }
}

int64_t ParameterTable::add(const std::string& name, int module, std::vector<int64_t> shape, bool decays) {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  const int64_t offset = elements_;
  index_.emplace(name, all_.size());
  all_.push_back({name, module, std::move(shape), offset, elements, decays});
  elements_ += elements;
  return offset;
}

std::vector<const LinearAt*> ParameterTable::linears() const {
  std::vector<const LinearAt*> all;
  if (embedding_projection.out > 0) all.push_back(&embedding_projection);
  for (const LayerAt& layer : std::span(layers).first(own_layers()))
    for (const LinearAt* linear : {&layer.qkv, &layer.attention_out, &layer.up, &layer.down}) all.push_back(linear);
  return all;
}

std::vector<const NormAt*> ParameterTable::norms() const {
  std::vector<const NormAt*> all;
  if (embedding_norm.weight >= 0) all.push_back(&embedding_norm);
  for (const LayerAt& layer : std::span(layers).first(own_layers()))
    for (const NormAt* norm : {&layer.attention_norm, &layer.query_norm, &layer.key_norm, &layer.attention_branch_norm,
                               &layer.output_norm, &layer.output_branch_norm})
      if (norm->exists()) all.push_back(norm);
  if (final_norm.exists()) all.push_back(&final_norm);
  // The order above is not everywhere that in which they were added.
  std::sort(all.begin(), all.end(), [](const NormAt* a, const NormAt* b) { return a->number < b->number; });
  return all;
}

const Parameter* ParameterTable::find(const std::string& name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : &all_[at->second];
}

}  // namespace vectune
