#pragma once
#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "train/live_state.h"
#include "train/micro_batch.h"

namespace vectune {

/// What dropout's masks are a function of, beside the run's seed and the texts: the epoch, and where masks come from a
/// generator, the step and the place in it. A forward pass with the same key and texts is the same to the bit.
struct MaskKey {
  int64_t epoch = 0, step = 0, place = 0;
};

/// The buffers that passes keep, as they stand.
struct Workspace {
  int64_t rows = 0, bytes = 0, growths = 0;
};

/// The encoder with its head on one place: from texts of a data set to vectors and back, with the weights as it reads
/// them and its buffers. cpu/ and torch/ have one each. Engine thread; all but `guarded` within its `work`.
class Passes {
 public:
  virtual ~Passes() = default;

  /// Does `work` where the place's device is the current one, and keeps an eye on its health.
  virtual void guarded(const std::function<void()>& work) const { work(); }

  /// Vectors [texts × dimension], fp32, with dropout; good until the next call. With `keep` a `backward` may follow.
  /// Beside the last layer's those of hidden `layers` (Loss::layers): [texts × (1 + layers) · dimension].
  virtual at::Tensor forward(std::span<const int32_t> texts, const std::vector<int64_t>& layers, const MaskKey& masks,
                             bool keep) = 0;
  /// `gradient` is that of the vectors of the last forward, which kept what is needed. Writes the gradients of all that
  /// is trained into `state`, or adds them where `add` says so.
  virtual void backward(const at::Tensor& gradient, LiveState& state, bool add) = 0;
  /// Vectors without dropout. May free what training left standing.
  virtual at::Tensor evaluate(std::span<const int32_t> texts, const std::vector<int64_t>& layers) = 0;
  virtual void end_evaluation() {}

  /// Makes again what is derived from the weights.
  virtual void weights_replaced(LiveState& state) = 0;
  /// Gives the buffers of training back.
  virtual void release() = 0;
  /// Any thread.
  Workspace workspace() const { return {rows_, bytes_, growths_}; }
  /// Bytes that a product may take for a moment beside what stands; none where allocations are not counted so exactly.
  virtual std::optional<int64_t> momentary_bytes() const { return std::nullopt; }
  /// From so many tokens on, more at once take more memory and no less time.
  virtual int64_t enough_tokens() const { return MicroBatch::kAnyTokens; }

  /// A small tensor of the host where the passes compute, without waiting for it.
  virtual at::Tensor send(const at::Tensor& tensor) const { return tensor; }
  /// A flat buffer where the passes compute, and back on the host; undefined stays undefined.
  virtual at::Tensor at_work(const at::Tensor& tensor) const { return tensor; }
  virtual at::Tensor on_host(const at::Tensor& tensor) const { return tensor; }

 protected:
  void note(const Workspace& now) {
    rows_ = now.rows;
    bytes_ = now.bytes;
    growths_ = now.growths;
  }

 private:
  std::atomic<int64_t> rows_{0}, bytes_{0}, growths_{0};
};

}  // namespace vectune
