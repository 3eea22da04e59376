#pragma once
#include "runtime/worker_thread.h"

namespace vectune {

/// The one thread that reads and writes large files while the engine thread computes. It calls nothing of LibTorch
/// but frees of tensors' memory.
class FileThread : public WorkerThread {
 public:
  static FileThread& instance();
  /// Asked by jobs between pieces: throws Error(kAborted) when the thread is to stop.
  static void check();

 private:
  FileThread();
};

}  // namespace vectune
