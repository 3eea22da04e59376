#pragma once

namespace vectune::loader {

/// How OpenMP's threads wait for each other in LibTorch's operators (the engine's own work is for its ThreadTeam).
/// libgomp's default is to spin for as long as it takes the other threads, which is quick on an idle machine, but where
/// another process has one of the cores, the spinning thread keeps its core from the very thread that it waits for: a
/// step then takes three times as long. With a short spin and a sleep after it, it takes under twice as long.
///
/// libgomp reads its environment once, when it is mapped, so this must stand around the opening of LibTorch, which
/// brings it. Whatever the user set is left alone, but for OMP_WAIT_POLICY=active, which is for the ThreadTeam to obey:
/// libgomp's threads, spinning without end after an operator, would take the cores from it. (A step takes four times as
/// long then; a large GOMP_SPINCOUNT of the user's still does that.) JavaScript thread only, as Node itself changes the
/// environment there.
class WaitPolicy {
 public:
  WaitPolicy();
  ~WaitPolicy();
  WaitPolicy(const WaitPolicy&) = delete;
  WaitPolicy& operator=(const WaitPolicy&) = delete;

 private:
  bool set_ = false;
};

}  // namespace vectune::loader
