#pragma once
#include <functional>

namespace vectune {

/// A thread for one kind of work beside the engine's. Jobs run first in, first out. Never destroyed; runs from `start`
/// to `stop`, and may be started again.
class WorkerThread {
 public:
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  /// Queues a job; it must not throw. After `stop` the job is dropped (destroyed, not run) and false returned.
  bool post(std::function<void()> job);
  /// Starts the thread, again after `stop`. Does nothing while it runs.
  void start();
  /// Drops what is queued, waits for the running job (which sees `stopping`), joins. Idempotent.
  void stop();
  bool stopping() const;

 protected:
  /// `name` is the thread's, up to 15 characters.
  explicit WorkerThread(const char* name);

 private:
  struct State;
  State* state_;
};

}  // namespace vectune
