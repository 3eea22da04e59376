#pragma once
// The models that the benchmarks of the engine use, and data of given lengths.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../native/pairs.h"
#include "model/spec.h"

namespace vectune::bench {

/// "minilm" (all-MiniLM-L6-v2) or "distiluse".
inline ModelSpec shape_of(const std::string& name) {
  ModelSpec spec;
  EncoderSpec& e = spec.encoder;
  e.architecture = &architecture(name == "distiluse" ? "distilbert" : "bert");
  e.layers = 6;
  e.heads = 12;
  e.positions = 512;
  spec.head.push_back(PoolingSpec{{PoolingMode::kMean}});
  if (name == "minilm") {
    e.vocab_size = 30522;
    e.hidden_size = 384;
    e.intermediate_size = 1536;
    e.type_vocab_size = 2;
    spec.head.push_back(NormalizeSpec{});
  } else if (name == "distiluse") {
    e.vocab_size = 119547;
    e.hidden_size = 768;
    e.intermediate_size = 3072;
    spec.head.push_back(DenseSpec{768, 512, true, DenseActivation::kTanh});
  } else {
    throw std::invalid_argument("the shape must be minilm or distiluse, but is " + name);
  }
  return spec;
}

/// Pairs of random tokens; the file lists the length of each text.
inline std::shared_ptr<Dataset> dataset_of(const std::string& file, int64_t vocabulary) {
  std::ifstream in(file);
  std::vector<int32_t> ids, offsets{0};
  uint32_t state = 1;
  for (int64_t length; in >> length;) {
    for (int64_t i = 0; i < length; ++i) {
      state = state * 1664525u + 1013904223u;
      ids.push_back(static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(vocabulary)));
    }
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  const size_t texts = offsets.size() - 1;
  if (texts < 2 || texts % 2 != 0) throw std::invalid_argument(file + " must list the lengths of pairs of texts.");
  std::vector<float> scores;
  for (size_t i = 0; i < texts / 2; ++i) scores.push_back(static_cast<float>(i % 2));
  return tiny::pairs_of(ids, offsets, scores);
}

}  // namespace vectune::bench
