#include "torch/encoder_tensors.h"

namespace vectune::device {

EncoderTensors encoder_tensors(const FlatTensor& flat, const ParameterTable& table, const EncoderSpec& spec) {
  const int64_t hidden = spec.hidden_size;
  EncoderTensors all{
      flat.vector(table.embedding_norm.weight, hidden), flat.vector(table.embedding_norm.bias, hidden), {}};
  const auto weight = [&](const LinearAt& at) { return flat.matrix(at.weight, at.out, at.in); };
  const auto bias = [&](const LinearAt& at) { return flat.vector(at.bias, at.out); };
  for (const LayerAt& at : table.layers)
    all.layers.push_back({weight(at.qkv), bias(at.qkv), weight(at.attention_out), bias(at.attention_out),
                          flat.vector(at.attention_norm.weight, hidden), flat.vector(at.attention_norm.bias, hidden),
                          weight(at.up), bias(at.up), weight(at.down), bias(at.down),
                          flat.vector(at.output_norm.weight, hidden), flat.vector(at.output_norm.bias, hidden)});
  return all;
}

EmbeddingTables embedding_tables(const at::Tensor& words, const FlatTensor& rest, const ParameterTable& table,
                                 const EncoderSpec& spec) {
  EmbeddingTables tables{words, rest.matrix(table.position_embeddings, spec.positions, spec.hidden_size), {}};
  if (table.type_embeddings >= 0)
    tables.types = rest.matrix(table.type_embeddings, spec.type_vocab_size, spec.hidden_size);
  return tables;
}

}  // namespace vectune::device
