#pragma once
#include "runtime/worker_thread.h"

namespace vectune::device {

/// The one thread that waits for what devices were given, so that the engine thread can give them more.
class WaitThread : public WorkerThread {
 public:
  static WaitThread& instance();

 private:
  WaitThread();
};

}  // namespace vectune::device
