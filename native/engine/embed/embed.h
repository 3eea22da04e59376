#pragma once
#include <cstdint>
#include <string>

#include "model/model.h"
#include "model/place.h"

namespace vectune {

/// Embeddings of texts packed in the order given, text t being ids[offsets[t] .. offsets[t + 1]): [texts × dimension]
/// into `out`. Of each text the first `unpooled` tokens, but never the last one, are left out of the pooling. What is
/// derived of the weights stays with the model for the next call. Engine thread. Error(kInvalidArgument): an id outside
/// the vocabulary, a text with no token or more than `longest_text`.
void embed(Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts, Precision precision, float* out,
           const Place& place = {}, int64_t unpooled = 0);

/// Writes hidden.0 … hidden.N, pooled, embedding of one forward to a safetensors file; on the processor it is fp32.
void trace_forward(Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts, const std::string& path,
                   Precision precision = Precision::kFp32, const Place& place = {});

}  // namespace vectune
