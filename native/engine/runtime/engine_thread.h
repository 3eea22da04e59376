#pragma once
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <utility>

namespace vectune {

/// The one thread of the process that calls LibTorch. OpenMP's team, grad mode and flush-denormal are
/// per thread, so work from anywhere else would bring a second team and other settings.
/// The object is made on first use and never destroyed; its thread runs from `start` (or the first `instance`) to
/// `stop`, and may be started again.
///
/// Each job belongs to a lane, a name for whose work it is (the address of what it works on). Jobs of one lane run
/// first in, first out; lanes take turns, a job each, so that who queues a thousand jobs keeps nobody waiting for more
/// than one. Jobs without a lane run after all that were queued before them.
class EngineThread {
 public:
  static EngineThread& instance();

  /// Queues a job; it must not throw. After `stop` the job is dropped (destroyed, not run) and false returned.
  bool post(std::function<void()> job, const void* lane = nullptr);

  /// Runs `work` on the thread and waits (tests and programs without Node; never the event loop).
  template <typename Work>
  auto run(Work work) -> decltype(work()) {
    auto task = std::make_shared<std::packaged_task<decltype(work())()>>(std::move(work));
    auto result = task->get_future();
    if (!post([task] { (*task)(); })) throw std::runtime_error("the engine thread has stopped");
    return result.get();
  }

  /// Runs the thread again after `stop`, with the thread count it had. Does nothing while it runs.
  void start();
  /// Drops what is queued, waits for the running job (which sees `stopping()`), joins. Idempotent.
  /// Never from the engine thread itself.
  void stop();
  /// Long work asks this between layers and ends early with Error(kAborted).
  bool stopping() const;
  /// Whether the caller is the engine thread.
  bool is_current() const;

 private:
  EngineThread();
  struct State;
  State* state_;
};

/// Threads of the engine's OpenMP team, at least 1; on the engine thread only.
void set_threads(int threads);
/// From any thread.
int threads();
/// OMP_NUM_THREADS if it is set; else the physical cores on which the process may run (its CPU affinity), at
/// most the control group's CPU quota rounded up. `root` stands before the paths read (tests).
int default_threads(const std::string& root = "");

}  // namespace vectune
