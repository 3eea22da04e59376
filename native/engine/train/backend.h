#pragma once
#include <atomic>
#include <memory>
#include <span>

#include "model/model.h"
#include "nn/texts.h"
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

  /// Texts of the data set by their numbers, as a pass computes them. Dropout's masks know a text by its number, so
  /// they do not depend on the batch that it is in.
  Texts texts(std::span<const int32_t> numbers) const {
    return {static_cast<int64_t>(numbers.size()),
            [this, numbers](int64_t i) {
              const int32_t text = numbers[static_cast<size_t>(i)];
              return Text{dataset.ids() + dataset.offsets()[text], dataset.length(text), text, dataset.unpooled(text)};
            },
            vocabulary.remap(), dataset.whole()};
  }
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
