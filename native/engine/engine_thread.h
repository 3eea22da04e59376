#pragma once
#include <functional>
#include <future>

namespace vectune {

/// The one thread of the process that calls LibTorch. OpenMP's team, grad mode and flush-denormal are
/// per thread, so work from anywhere else would bring a second team and other settings.
/// Jobs run first in, first out. Created on first use, never destroyed; `stop` ends it.
class EngineThread {
 public:
  static EngineThread& instance();

  /// Queues a job; it must not throw. After `stop` the job is dropped (destroyed, not run) and false returned.
  bool post(std::function<void()> job);

  /// Runs `work` on the thread and waits (tests and programs without Node; never the event loop).
  template <typename Work>
  auto run(Work work) -> decltype(work()) {
    std::packaged_task<decltype(work())()> task(std::move(work));
    auto result = task.get_future();
    if (!post([&task] { task(); })) throw std::runtime_error("the engine thread has stopped");
    return result.get();
  }

  /// Drops what is queued, waits for the running job (which sees `stopping()`), joins. Idempotent.
  void stop();
  /// Long work asks this between layers and ends early with Error(kAborted).
  bool stopping() const;

 private:
  EngineThread();
  struct State;
  State* state_;
};

/// Threads of the engine's OpenMP team; set on the engine thread.
void set_threads(int threads);
int threads();

}  // namespace vectune
