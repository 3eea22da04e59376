#include "wait_policy.h"

#include <cstdlib>
#include <string>

namespace vectune::loader {

namespace {
/// Turns of the loop in which a thread waits before it sleeps.
constexpr const char* kSpins = "1000";
}  // namespace

WaitPolicy::WaitPolicy() {
#ifndef _WIN32
  const char* const given = std::getenv("OMP_WAIT_POLICY");
  const std::string policy = given ? given : "active";
  if (std::getenv("GOMP_SPINCOUNT") || (policy != "active" && policy != "ACTIVE")) return;
  set_ = setenv("GOMP_SPINCOUNT", kSpins, 1) == 0;
#endif
}

WaitPolicy::~WaitPolicy() {
#ifndef _WIN32
  if (set_) unsetenv("GOMP_SPINCOUNT");  // processes that the host starts choose for themselves
#endif
}

}  // namespace vectune::loader
