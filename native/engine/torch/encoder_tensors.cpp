#include "torch/encoder_tensors.h"

#include "model/relative_buckets.h"

namespace vectune::device {

namespace {

template <typename Flat>
EncoderTensors tensors_of(const Flat& flat, const ParameterTable& table) {
  EncoderTensors all;
  const auto vector = [&](int64_t offset, int64_t elements) {
    return offset < 0 ? at::Tensor() : flat.vector(offset, elements);
  };
  for (const LinearAt* at : table.linears())
    all.linears.push_back({flat.matrix(at->weight, at->out, at->in), vector(at->bias, at->out)});
  for (const NormAt* at : table.norms())
    all.norms.push_back({flat.vector(at->weight, at->width), vector(at->bias, at->width)});
  return all;
}

template <typename Flat>
HeadTensors head_of(const Flat& flat, const ParameterTable& table) {
  HeadTensors all;
  all.linears.resize(table.head.size() + table.residual.size());
  all.norms.resize(table.module_norms.size());
  for (const auto* linears : {&table.head, &table.residual})
    for (const LinearAt& at : *linears) {
      if (at.out == 0) continue;
      all.linears[at.number].weight = flat.matrix(at.weight, at.out, at.in);
      if (at.bias >= 0) all.linears[at.number].bias = flat.vector(at.bias, at.out);
    }
  for (const NormAt& at : table.module_norms)
    if (at.exists()) all.norms[at.number] = {flat.vector(at.weight, at.width), flat.vector(at.bias, at.width)};
  return all;
}

template <typename Flat>
EmbeddingTables tables_of(const at::Tensor& words, const Flat& rest, const ParameterTable& table,
                          const EncoderSpec& spec) {
  EmbeddingTables tables{words, {}, {}, {}};
  if (table.position_embeddings >= 0)
    tables.positions = rest.matrix(table.position_embeddings, spec.positions, spec.embedding_width());
  if (table.type_embeddings >= 0)
    tables.types = rest.matrix(table.type_embeddings, spec.type_vocab_size, spec.embedding_width());
  if (table.relative_bias >= 0) tables.relative = rest.matrix(table.relative_bias, kRelativeBuckets, spec.heads);
  return tables;
}

}  // namespace

EncoderTensors encoder_tensors(const FlatTensor& flat, const ParameterTable& table) { return tensors_of(flat, table); }
EncoderTensors encoder_tensors(const TrainingTensor& flat, const ParameterTable& table) {
  return tensors_of(flat, table);
}
EncoderTensors encoder_tensors(const GradientTensor& flat, const ParameterTable& table) {
  return tensors_of(flat, table);
}

HeadTensors head_tensors(const FlatTensor& flat, const ParameterTable& table) { return head_of(flat, table); }
HeadTensors head_tensors(const TrainingTensor& flat, const ParameterTable& table) { return head_of(flat, table); }
HeadTensors head_tensors(const GradientTensor& flat, const ParameterTable& table) { return head_of(flat, table); }

EmbeddingTables embedding_tables(const at::Tensor& words, const FlatTensor& rest, const ParameterTable& table,
                                 const EncoderSpec& spec) {
  return tables_of(words, rest, table, spec);
}
EmbeddingTables embedding_tables(const at::Tensor& words, const TrainingTensor& rest, const ParameterTable& table,
                                 const EncoderSpec& spec) {
  return tables_of(words, rest, table, spec);
}

EmbeddingTables embedding_tables(const GradientTensor& flat, int64_t words, const ParameterTable& table,
                                 const EncoderSpec& spec) {
  EmbeddingTables tables{flat.matrix(table.word_embeddings, words, spec.embedding_width()), {}, {}, {}};
  if (table.position_embeddings >= 0)
    tables.positions = flat.matrix(table.position_embeddings, spec.positions, spec.embedding_width());
  if (table.type_embeddings >= 0)
    tables.types = flat.matrix(table.type_embeddings, spec.type_vocab_size, spec.embedding_width());
  if (table.relative_bias >= 0) tables.relative = flat.matrix(table.relative_bias, kRelativeBuckets, spec.heads);
  return tables;
}

}  // namespace vectune::device
