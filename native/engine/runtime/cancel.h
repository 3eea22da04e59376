#pragma once
#include <atomic>

#include "runtime/engine_thread.h"
#include "runtime/errors.h"

namespace vectune {

/// Asked between layers: ends long work when its owner, or the process, wants it to end.
struct Cancel {
  const std::atomic<bool>* asked = nullptr;

  void check() const {
    if ((asked && asked->load(std::memory_order_relaxed)) || EngineThread::instance().stopping())
      throw Error(ErrorCode::kAborted, "the work was cancelled");
  }
};

}  // namespace vectune
