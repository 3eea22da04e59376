#pragma once
#include <functional>

namespace vectune {

/// The one thread that reads and writes large files while the engine thread computes. It calls nothing of LibTorch
/// but frees of tensors' memory. Jobs run first in, first out. Never destroyed; runs from `start` to `stop`.
class FileThread {
 public:
  static FileThread& instance();

  /// Queues a job; it must not throw. After `stop` the job is dropped (destroyed, not run) and false returned.
  bool post(std::function<void()> job);
  /// Starts the thread, again after `stop`. Does nothing while it runs.
  void start();
  /// Drops what is queued, has the running job end at its next piece, joins. Idempotent.
  void stop();
  /// Asked by jobs between pieces: throws Error(kAborted) when the thread is to stop.
  static void check();

 private:
  FileThread();
  struct State;
  State* state_;
};

}  // namespace vectune
