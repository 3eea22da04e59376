#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "files/json.h"

namespace vectune {

/// The rows of a data set, as a loss that is to train on it looks at them once, before training.
struct LossData {
  int64_t rows;
  std::span<const int32_t> offsets;  // row r has offsets[r + 1] − offsets[r] columns
  int64_t label_width;               // numbers of each row; 0 where there are none
  const float* labels;               // [rows × label_width]
  int64_t dimension = 0;             // of the vectors

  int64_t columns(int64_t row) const {
    return offsets[static_cast<size_t>(row) + 1] - offsets[static_cast<size_t>(row)];
  }
};

/// A parameter of a loss's own, such as a classifier's matrix: the optimiser steps it and a checkpoint has it, but the
/// model has not, and it is gone with the run.
struct LossParameter {
  std::string name;  // within the loss
  std::vector<int64_t> shape;
  double bound;  // of its first values, drawn from U(−bound, bound) by the run's seed
  bool decays;   // weight decay applies: not to biases

  int64_t elements() const;
};
/// The two of a linear layer, as torch.nn.Linear draws them.
std::vector<LossParameter> linear_parameters(const std::string& name, int64_t in, int64_t out);
/// Values or gradients of parameters by their names.
using LossTensors = std::map<std::string, at::Tensor>;

/// The rows of a batch, or of a part of one, over the vectors of its texts, each of which has one vector however many
/// columns name it. Tensors are where the vectors are; nothing here waits for a device.
struct LossRows {
  int64_t count;                     // rows
  int64_t in_step;                   // rows of the whole step, over which a separable loss takes its mean
  int64_t columns;                   // of each row; 0 where rows have different numbers
  std::span<const int32_t> offsets;  // row r has places[offsets[r] .. offsets[r + 1]), on the host
  at::Tensor places;                 // int32: the vector of each column, row after row
  bool in_order;                     // places are 0, 1, 2, …: no text is named twice
  at::Tensor labels;                 // float [rows × label width]; undefined where there are none
  LossTensors parameters{};          // float, the loss's own
  std::vector<int64_t> layers{};     // of which there are vectors beside the last one's
};

/// Of rows of equal numbers of columns: [rows × columns × dimension].
at::Tensor vectors_of(const LossRows& rows, const at::Tensor& vectors);
/// The way back of a gradient [rows × columns × dimension]: [texts × dimension], the sum over the columns of a text.
at::Tensor gradient_of_vectors(const LossRows& rows, const at::Tensor& gradient, int64_t texts);

struct LossValue {
  at::Tensor loss;              // a scalar; the shares of a step's parts add up to its loss
  at::Tensor gradient;          // of `loss`, [texts × dimension]
  LossTensors of_parameters{};  // gradients of the loss's own parameters
};

/// A loss on vectors: it sees the vectors of a batch's texts and gives their gradient, and knows nothing of how they
/// came about. One file each; losses.cpp lists them. The same code computes on the processor and on devices.
///
/// `vectors` are fp32 [texts × dimension]; a loss may compute in double where they are on the processor. The gradient
/// is written out, or taken by autograd on this small tensor (`by_autograd`): the encoder never uses autograd.
/// Where a loss has no products of matrices, it best works Alone (runtime/alone.h).
///
/// A loss may own parameters: it names them, TrainingLayout gives them room behind the model's, and `of` reads them and
/// gives their gradients. It may also see hidden layers: `vectors` have then the vectors of those layers, by the same
/// head, beside the last one's, [texts × (1 + layers) · dimension], and so has the gradient.
class Loss {
 public:
  virtual ~Loss() = default;

  /// Whether it is a mean over rows, so that parts of a batch may be computed one after the other, each with
  /// `LossRows::in_step` rows in its mean. Of any other the vectors of a whole batch are computed first.
  virtual bool separable() const = 0;
  /// Error(kInvalidArgument) where the data is not what it trains on; names the row.
  virtual void check(const LossData& data) const = 0;
  virtual LossValue of(const at::Tensor& vectors, const LossRows& rows) const = 0;
  /// Whether labels are vectors of the texts' own dimension, which `matryoshka` cuts as it cuts the texts'.
  virtual bool labels_are_vectors() const { return false; }
  /// Its own parameters, for data that `check` accepted.
  virtual std::vector<LossParameter> parameters(const LossData&) const { return {}; }
  /// Whether it may see hidden layers.
  virtual bool sees_layers() const { return false; }
  /// The hidden layers whose vectors it sees in one step of a model of `of` layers, from 0, the embedding layer, to
  /// of − 1; a function of `draw`, which is random for each step, or without one all that it ever sees.
  virtual std::vector<int64_t> layers(int64_t /*of*/, std::optional<uint64_t> /*draw*/) const { return {}; }
  /// Whether it is computed elsewhere, by who asks for the vectors and gives their gradient (`given`).
  virtual bool given() const { return false; }
};

/// A loss as it is asked for.
struct LossSpec {
  std::string name = "cosine-mse";
  json::Object options;
};

/// Error(kInvalidArgument) for a name that is none, an option that the loss does not have, or a value that cannot be.
std::unique_ptr<Loss> make_loss(const LossSpec& spec);

/// Makes a loss of options; for tests, which have losses of their own.
using LossMaker = std::unique_ptr<Loss> (*)(class LossOptions& options);
void add_loss(const std::string& name, LossMaker make);

}  // namespace vectune
