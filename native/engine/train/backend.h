#pragma once
#include <atomic>
#include <memory>

#include "model/model.h"
#include "train/compact_vocabulary.h"
#include "train/dataset.h"
#include "train/live_state.h"
#include "train/optimiser.h"
#include "train/options.h"
#include "train/passes.h"
#include "train/training_layout.h"

namespace vectune {

/// What of a trainer its passes and its optimiser see. Outlives them.
struct TrainingContext {
  const TrainerOptions& options;
  const ModelSpec& spec;
  const ParameterTable& table;
  const Dataset& dataset;
  const CompactVocabulary& vocabulary;
  const TrainingLayout& layout;
  LiveState& state;
  const std::atomic<bool>& cancelled;
};

/// How a place trains.
struct TrainingBackend {
  std::unique_ptr<Passes> passes;
  std::unique_ptr<Optimiser> optimiser;  // may know the passes, and goes before them
};

/// That of `options.place` and `options.precision` (backends.cpp). Error(kDeviceUnavailable) where the place is not
/// there, Error(kInvalidArgument) where it does not have the precision.
TrainingBackend make_training_backend(const TrainingContext& context);

}  // namespace vectune
