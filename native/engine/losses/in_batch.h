#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "losses/loss.h"
#include "losses/unit.h"

namespace vectune {

/// Queries, each row's first column, and documents, all others, of a batch: unit vectors (or the vectors as they are)
/// and the gradient that losses leave in `gradient`. In fp32, as products of them are most of what such a loss costs.
/// Rows may have different numbers of documents.
class InBatch {
 public:
  /// `normalise_eps` 0: the vectors as they are.
  InBatch(const at::Tensor& vectors, const LossRows& rows, double normalise_eps);

  int64_t rows() const { return rows_; }
  int64_t documents() const { return all_.size(0) - rows_; }

  struct Side {
    at::Tensor values, gradient;  // views [n × dimension]
  };
  Side queries() const { return side(0, rows_); }
  /// Each row's first document, in the order of the rows.
  Side positives() const { return side(rows_, rows_); }
  /// The positives, then all others in the order of the rows.
  Side documents_side() const { return side(rows_, documents()); }
  /// The row of each document. int64 [documents]
  const at::Tensor& owners() const { return owners_; }

  /// Row i's anchor against candidates.
  struct Direction {
    Side anchors, candidates;
    /// Changes scaled scores [rows of the chunk × candidates] of rows from `first`, in place: −∞ leaves a candidate
    /// out. It has no part in the gradient: that is of scale · similarity.
    std::function<void(at::Tensor& scores, int64_t first)> adjust;
  };
  enum class Partition { kJoint, kPerDirection };
  /// Mean over the rows of −log of the positive's share. In the first direction candidate i is row i's positive.
  ///   s = scale · similarity;  kJoint: −s_ii + log Σ over all directions' candidates e^s;
  ///   kPerDirection: −s_ii + the mean of each direction's log Σ e^s.
  /// Computed by chunks of rows, so that memory does not grow with their square. Leaves the gradient in the sides.
  at::Tensor cross_entropy(const std::vector<Direction>& directions, double scale, Partition partition);
  /// [texts × dimension], of what the sides were left with.
  at::Tensor gradient_of_vectors() const;

 private:
  Side side(int64_t from, int64_t count) const {
    return {all_.narrow(0, from, count), gradient_.narrow(0, from, count)};
  }

  int64_t rows_, texts_;
  bool normalised_;
  at::Tensor places_, owners_;  // of queries, positives, others; int64
  Units units_;
  at::Tensor all_, gradient_;
};

}  // namespace vectune
