#pragma once
#include <omp.h>

namespace vectune {

/// While it lives LibTorch's operators on this thread work without others. What is done on tensors of a few texts is
/// small, and LibTorch's own threads would wait beside the team's (ThreadTeam) for cores that both want.
class Alone {
 public:
  Alone() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~Alone() { omp_set_num_threads(threads_); }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  int threads_;
};

}  // namespace vectune
