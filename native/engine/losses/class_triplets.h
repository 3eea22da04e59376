#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "losses/distances.h"
#include "losses/loss.h"

namespace vectune {

/// Losses on triplets that a batch of texts and their classes makes: rows of one text and a class.
class ClassTriplets : public Loss {
 public:
  ClassTriplets(std::string name, LossOptions& options) : name_(std::move(name)), metric_(Distances::option(options)) {}

  bool separable() const override { return false; }
  void check(const LossData& data) const override;
  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override;

 protected:
  /// Loss and its gradient of distances [n × n]; `same` [n × n], bool: whether two texts have one class, as each has
  /// with itself.
  virtual LossValue of_distances(const at::Tensor& distances, const at::Tensor& same) const = 0;

 private:
  std::string name_;
  Distances::Metric metric_;
};

/// Of each text, [n × 1]: the distance of the farthest of its class, and of the nearest of another. A text that is
/// alone in its class has 0 as its farthest; where all are of one class, the nearest is as sentence-transformers has
/// it, the largest of all distances of the text.
struct HardestDistances {
  at::Tensor positive, negative;
  HardestDistances(const at::Tensor& distances, const at::Tensor& same);
};

}  // namespace vectune
