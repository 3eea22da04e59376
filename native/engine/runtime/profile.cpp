#include "runtime/profile.h"

namespace vectune::profile {

namespace {
bool on = false;
Total totals[kPhases];
}  // namespace

const char* name(Phase phase) {
  switch (phase) {
    case kGemmForward: return "gemm forward";
    case kGemmBackward: return "gemm backward";
    case kAttention: return "attention";
    case kActivation: return "bias + activation";
    case kNorm: return "dropout + add + layer norm";
    case kEmbedding: return "embedding";
    case kAdamW: return "adamw";
    case kOther: return "pooling, loss, sums, conversions";
    case kPhases: break;
  }
  return "";
}

void enable(bool enabled) {
  on = enabled;
  for (Total& t : totals) t = {};
}

bool enabled() { return on; }

Total total(Phase phase) { return totals[phase]; }

Scope::Scope(Phase phase) : phase_(phase) {
  if (on) begin_ = std::chrono::steady_clock::now();
}

Scope::~Scope() {
  if (!on) return;
  totals[phase_].seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  ++totals[phase_].calls;
}

}  // namespace vectune::profile
