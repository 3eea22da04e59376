#include "runtime/wait_thread.h"

namespace vectune::device {

WaitThread::WaitThread() : WorkerThread("vectune-wait") {}

WaitThread& WaitThread::instance() {
  static WaitThread* const waiting = new WaitThread;
  return *waiting;
}

}  // namespace vectune::device
