#include "torch/health.h"

#include <c10/util/Exception.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

namespace vectune::device::health {

namespace {

std::mutex mutex;
std::map<std::string, std::string> lost;  // by the place's text
std::atomic<int64_t> checks{0}, fail_at{0};

}  // namespace

void check(const Place& place) {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (const auto found = lost.find(place.text()); found != lost.end())
      throw Error(ErrorCode::kDeviceLost, found->second);
  }
  if (fail_at.load(std::memory_order_relaxed) == 0) return;
  if (checks.fetch_add(1) + 1 == fail_at.load())
    throw c10::AcceleratorError({__func__, "health.cpp", __LINE__}, 700,
                                "CUDA error: an illegal memory access was encountered (made to happen by a test)");
}

void mark_lost(const Place& place, const Error& error) {
  const std::lock_guard<std::mutex> lock(mutex);
  lost.emplace(place.text(), error.what());  // the first stays: the others follow from it
}

void fail_nth_check(int64_t n) {
  const std::lock_guard<std::mutex> lock(mutex);
  lost.clear();
  checks.store(0);
  fail_at.store(n);
}

}  // namespace vectune::device::health
