#include "torch/result.h"

#include <ATen/DeviceAccelerator.h>
#include <ATen/ops/empty.h>

#include <chrono>
#include <thread>

#include "runtime/engine_thread.h"
#include "torch/health.h"

namespace vectune::device {

namespace {

/// Between two looks at the device: LibTorch's own wait would keep a core busy.
constexpr auto kPause = std::chrono::microseconds(50);

}  // namespace

DeviceResult::DeviceResult(const Place& place, const at::Tensor& numbers) : place_(place) {
  if (!place.cuda()) {
    host_ = numbers.clone();
    return;
  }
  host_ = at::empty(numbers.sizes(), at::TensorOptions().dtype(at::kFloat).pinned_memory(true));
  host_.copy_(numbers, /*non_blocking=*/true);
  done_.emplace(c10::DeviceType::CUDA);
  done_->record(at::accelerator::getCurrentStream(static_cast<c10::DeviceIndex>(place.index)));
}

const float* DeviceResult::wait() {
  on_device(place_, [&] {
    if (done_)
      while (!done_->query()) {
        if (EngineThread::instance().stopping()) throw Error(ErrorCode::kAborted, "The process is ending.");
        std::this_thread::sleep_for(kPause);
      }
  });
  return host_.const_data_ptr<float>();
}

}  // namespace vectune::device
