#include "losses/ordered_pairs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logcumsumexp.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>

#include <limits>

namespace vectune {

at::Tensor ordered_pairs(const at::Tensor& scores, const at::Tensor& labels) {
  const auto [sorted, order] = at::sort(labels);
  const at::Tensor s = scores.index_select(0, order);
  const at::Tensor higher = at::searchsorted(sorted, sorted, /*out_int32=*/false, /*right=*/true);
  const at::Tensor none = at::full({1}, -std::numeric_limits<double>::infinity(), s.options());
  const at::Tensor of_higher = at::cat({at::logcumsumexp((-s).flip(0), 0).flip(0), none});
  return at::logsumexp(at::cat({at::zeros({1}, s.options()), s + of_higher.index_select(0, higher)}),
                       at::IntArrayRef{0});
}

}  // namespace vectune
