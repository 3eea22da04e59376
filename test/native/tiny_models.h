#pragma once
// Small models and data for the tests of training, and the measure of their gradients.
#include <ATen/ATen.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "files/safetensors.h"
#include "model/model.h"
#include "pairs.h"

namespace vectune::tiny {

inline ModelSpec spec_of(const std::string& name, std::vector<HeadSpec> after_pooling, std::vector<PoolingMode> modes,
                         int64_t heads = 3, int64_t head_size = 8, int64_t positions = 100) {
  ModelSpec spec;
  EncoderSpec& e = spec.encoder;
  e.architecture = &architecture(name);
  e.vocab_size = 61;
  e.hidden_size = heads * head_size;
  e.layers = 2;
  e.heads = heads;
  e.intermediate_size = 44;
  e.positions = positions;
  const bool counts_padding = e.architecture->positions == Architecture::Positions::kAfterPad;
  const bool decodes = name == "qwen2" || name == "qwen3" || name == "gemma3_text";
  e.type_vocab_size = name == "distilbert" || name == "mpnet" || name == "modernbert" || decodes ? 0
                      : name == "bert" || name == "nomic_bert" || name == "albert"               ? 2
                                                                                                 : 1;
  // Layers that see the whole text and some of it, and are turned each in its own way.
  for (int64_t i = 0; i < e.layers && !e.architecture->has_position_table(); ++i) {
    const bool local = i == 1 && (name == "modernbert" || decodes);
    e.attention.push_back(local ? LayerAttention{{6, 6}, {50, 1}} : LayerAttention{{}, {1000, 1.25}});
    if (name == "qwen2" || name == "qwen3") e.attention.back().reach.after = 0;
  }
  // Heads of another width than their share, two or three of queries for one of keys and values.
  if (decodes) {
    e.head_dim = head_size + 2;
    e.key_value_heads = heads % 2 == 0 ? heads / 2 : 1;
    if (name == "gemma3_text") e.query_scale = 1.3;
  }
  // Embeddings wider than the layers, and narrower ones.
  if (name == "albert") e.embedding_size = e.hidden_size + 5;
  if (name == "electra") e.embedding_size = e.hidden_size / 2;
  if (name == "albert") e.layers = 3;
  e.pad_id = counts_padding ? 1 : 0;
  if (name == "nomic_bert" || name == "qwen2" || name == "qwen3") e.hidden_activation = HiddenActivation::kSilu;
  if (name == "gemma3_text" || name == "albert") e.hidden_activation = HiddenActivation::kGeluTanh;
  if (counts_padding) e.position_offset = e.pad_id + 1;
  e.layer_norm_eps = 1e-5f;
  spec.head.push_back(PoolingSpec{std::move(modes)});
  for (auto& module : after_pooling) spec.head.push_back(std::move(module));
  return spec;
}

/// Weights large enough that every gradient matters: N(0, 0.2), norms around 1, biases not zero.
inline std::shared_ptr<Model> lively_model(const ModelSpec& spec) {
  auto model = std::make_shared<Model>(spec, 7u);
  uint32_t state = 12345;
  for (int64_t i = 0; i < model->parameters().elements(); ++i) {
    state = state * 1664525u + 1013904223u;
    model->data()[i] = model->data()[i] * 8.0f + (static_cast<float>(state >> 8) / 16777216.0f - 0.5f) * 0.4f;
  }
  for (const auto& p : model->parameters().all())
    if (!p.decays && p.name.ends_with("weight"))
      for (int64_t i = 0; i < p.elements; ++i)
        model->data()[p.offset + i] =
            (spec.encoder.architecture->norms_add_one ? 0.0f : 1.0f) + 0.1f * std::sin(static_cast<float>(i));
  model->weights_changed();
  return model;
}

inline std::shared_ptr<Dataset> dataset_of(const std::vector<int>& lengths, int64_t vocab) {
  std::vector<int32_t> ids, offsets{0};
  uint32_t state = 99;
  for (const int length : lengths) {
    for (int i = 0; i < length; ++i) {
      state = state * 1664525u + 1013904223u;
      ids.push_back(static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(vocab)));
    }
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  std::vector<float> scores;
  for (size_t i = 0; i < lengths.size() / 2; ++i) scores.push_back(static_cast<float>(i % 5) / 4.0f);
  return pairs_of(ids, offsets, scores);
}

inline std::string temporary(const char* name) {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder ? folder : "/tmp") + "/vectune-" + std::to_string(getpid()) + "-" + name;
}

/// Largest ‖g − r‖ / (1e-4‖r‖ + 1e-7‖all‖) over the parameters: at most 1 is the tolerance of the parity tests.
inline double worst_gradient(const std::string& path, const std::map<std::string, at::Tensor>& leaves,
                             std::string* name) {
  const safetensors::File file(path);
  double all = 0, worst = 0;
  for (const auto& [_, leaf] : leaves)
    if (leaf.grad().defined()) all += leaf.grad().pow(2).sum().item<double>();
  for (const auto& entry : file.entries()) {
    const at::Tensor& leaf = leaves.at(entry.name);
    const at::Tensor reference = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
    at::Tensor g = at::empty(entry.shape, at::kFloat);
    std::memcpy(g.data_ptr<float>(), entry.data, static_cast<size_t>(entry.bytes));
    const double off = at::norm(g.to(at::kDouble) - reference).item<double>();
    const double ratio = off / (1e-4 * at::norm(reference).item<double>() + 1e-7 * std::sqrt(all));
    if (ratio > worst) worst = ratio, *name = entry.name;
  }
  return worst;
}

}  // namespace vectune::tiny
