#include "runtime/file_thread.h"

#include "runtime/errors.h"

namespace vectune {

FileThread::FileThread() : WorkerThread("vectune-files") {}

FileThread& FileThread::instance() {
  static FileThread* const files = new FileThread;
  return *files;
}

void FileThread::check() {
  if (instance().stopping())
    throw Error(ErrorCode::kAborted, "The process or worker is ending; the file was not completed.");
}

}  // namespace vectune
