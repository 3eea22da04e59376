#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "files/fingerprint.h"

namespace vectune {

/// All that training changes, as a checkpoint holds it. Dropout's masks and the order of rows are functions of seed and
/// epoch, so no generator's state is among it.
struct TrainerState {
  /// One parameter in the flat buffers; the word embeddings are the compact table.
  struct Part {
    std::string name;
    std::vector<int64_t> shape;
    int64_t begin, elements;
    int64_t moments_begin;  // negative where it is not trained, and has none
    bool of_loss = false;   // the loss's own: no model has it, and none is committed
  };

  std::vector<Part> parts;
  std::vector<int32_t> vocabulary;                    // id of each row of the compact table
  at::Tensor weights, first_moments, second_moments;  // flat; no moments before the first step
  at::Tensor committed;                               // what the model has, where that is neither of the next two
  int64_t steps = 0;
  int64_t committed_step = -1;  // the step whose weights the model has; −1: those from before training
  std::vector<float> pending_decay, committed_decay;  // of embedding rows that no text uses: since, and until, a commit
  // Of a trainer that keeps what it began with (`base`, once the model no longer has it): how much of the trained
  // weights the commit had, and what blended unused embedding rows.
  at::Tensor base;
  double committed_share = 1, committed_blend = 1, all_decay = 1;

  std::vector<float> scaler;  // of fp16: loss scale, steps since it grew, updates made; else none

  bool has_committed() const { return committed_step >= 0 && (committed_step != steps || committed_share != 1); }
  /// Writes one safetensors file and flushes it to disk. Any thread; `go_on` is asked between pieces and may throw.
  Fingerprint write(const std::string& path, void (*go_on)()) const;
  /// Reads what `write` wrote for the same parts and vocabulary; `elements` are those of the weights, `moments` those
  /// of each moment. What is not trained may be missing, as it is of a model that kept it in bf16: then it is taken
  /// from `of_model`, weights in the same layout. Earlier versions wrote moments of what is not trained too: zeros,
  /// which are left alone. Error(kSafetensors) tells what differs.
  void read(const std::string& path, int64_t elements, int64_t moments, const std::function<at::Tensor()>& of_model);
};

}  // namespace vectune
