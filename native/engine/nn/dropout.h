#pragma once
#include <cstdint>

namespace vectune {

/// Dropout at one site of one layer in one epoch. In the engine's own kernels an element's fate is a hash of (key, row,
/// feature), row being (text's index in the data, token); so neither threads, nor packing, nor micro-batches change it.
struct Dropout {
  uint64_t key = 0;
  uint32_t threshold = 0;    // p · 2³²; an element is dropped when its hash is below
  float scale = 1.0f;        // 1 / (1 − p)
  float probability = 0.0f;  // p, for who draws from a generator
  bool on() const { return threshold != 0; }
};

}  // namespace vectune
