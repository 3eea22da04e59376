#pragma once
#include <ATen/core/Tensor.h>

namespace vectune {

/// log(1 + Σ_{y_i < y_j} exp(s_i − s_j)) of scores s and labels y [n]: every pair of which the lower label has the
/// higher score costs. Summed, not averaged. In O(n log n): scores in the order of labels, of each the cumulative sum
/// of those of higher labels (sentence-transformers 6.2).
at::Tensor ordered_pairs(const at::Tensor& scores, const at::Tensor& labels);

}  // namespace vectune
