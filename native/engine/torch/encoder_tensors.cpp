#include "torch/encoder_tensors.h"

namespace vectune::device {

EncoderTensors encoder_tensors(const FlatTensor& flat, const ParameterTable& table, const EncoderSpec& spec) {
  EncoderTensors all;
  for (const LinearAt* at : table.linears())
    all.linears.push_back({flat.matrix(at->weight, at->out, at->in), flat.vector(at->bias, at->out)});
  for (const NormAt* at : table.norms())
    all.norms.push_back({flat.vector(at->weight, spec.hidden_size), flat.vector(at->bias, spec.hidden_size)});
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
