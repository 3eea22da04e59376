#pragma once
#include <chrono>
#include <cstdint>

namespace vectune::profile {

/// Where the engine thread's time goes.
enum Phase {
  kGemmForward,
  kGemmBackward,
  kAttention,
  kActivation,
  kNorm,
  kEmbedding,
  kAdamW,
  kOther,  // conversions, sums, pooling and loss
  kPhases
};
const char* name(Phase phase);

struct Total {
  double seconds = 0;
  int64_t calls = 0;
};

/// Off by default; switching it on starts from zero. Engine thread only.
void enable(bool on);
bool enabled();
Total total(Phase phase);

/// Adds the time of its life to a phase while profiling is on.
class Scope {
 public:
  explicit Scope(Phase phase);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Phase phase_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace vectune::profile
