#include "losses/class_triplets.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/max.h>
#include <ATen/ops/min.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <optional>

#include "losses/data_check.h"
#include "losses/precision.h"
#include "runtime/alone.h"

namespace vectune {

namespace {

constexpr int64_t kTextsAlone = 128;  // their distances and what is taken of them are small

}  // namespace

void ClassTriplets::check(const LossData& data) const {
  DataCheck(name_, data)
      .texts(1, 1, "one text")
      .labels(1, "one label of each row, its class")
      .values([](float y) { return y == std::floor(y); }, "classes that are whole numbers");
}

LossValue ClassTriplets::of(const at::Tensor& vectors, const LossRows& rows) const {
  std::optional<Alone> alone;
  if (rows.count <= kTextsAlone) alone.emplace();
  const at::Tensor classes = rows.labels.view({-1});
  const Distances distances(vectors_of(rows, wide(vectors)).select(1, 0), metric_);
  const LossValue value = of_distances(distances.value(), classes.unsqueeze(0).eq(classes.unsqueeze(1)));
  return {value.loss, gradient_of_vectors(rows, distances.backward(value.gradient).unsqueeze(1), vectors.size(0))};
}

HardestDistances::HardestDistances(const at::Tensor& distances, const at::Tensor& same) {
  const at::Tensor itself = at::eye(distances.size(0), distances.options()).to(at::kBool);
  positive = std::get<0>(at::max(distances * same.logical_and(itself.logical_not()), 1, true));
  negative = std::get<0>(at::min(distances + std::get<0>(at::max(distances, 1, true)) * same, 1, true));
}

}  // namespace vectune
