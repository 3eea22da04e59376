#include "torch/inference.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

#include "nn/sentence_encoder.h"
#include "torch/gpus.h"
#include "torch/health.h"
#include "torch/memory.h"
#include "torch/precision.h"
#include "torch/result.h"
#include "torch/torch_backend.h"

namespace vectune::device {

namespace {

/// Tokens that are packed at once.
constexpr int64_t kTokensPerPack = 32768;

class DeviceInference final : public Inference {
 public:
  DeviceInference(const Model& model, const Place& place, Precision precision)
      : place_(place),
        precision_(precision),
        type_(compute_type(precision)),
        backend_(model.spec(), model.parameters(), place, type_),
        encoder_(model.spec(), model.parameters(), backend_) {}

  void embed(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts, int64_t unpooled,
             float* out) override {
    guarded([&] {
      follow(model);
      const int64_t dimension = model.spec().dimension();
      struct Begun {
        std::unique_ptr<DeviceResult> result;
        int64_t first, texts;
      };
      Begun before{};
      const auto take = [&](Begun& begun) {
        if (!begun.result) return;
        std::memcpy(out + begun.first * dimension, begun.result->wait(),
                    sizeof(float) * static_cast<size_t>(begun.texts * dimension));
      };
      for_packs(offsets, texts, kTokensPerPack, [&](int64_t first, int64_t count) {
        const at::Tensor vectors = encoder_.forward(Texts::of(ids, offsets + first, count, unpooled), {}, false, {});
        Begun begun{std::make_unique<DeviceResult>(place_, vectors), first, count};
        take(before);  // while the device works on this one
        before = std::move(begun);
      });
      take(before);
      encoder_.release();
    });
  }

  void trace(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts,
             const Observer& observe) override {
    guarded([&] {
      follow(model);
      const at::Tensor vectors = encoder_.forward(
          Texts::of(ids, offsets, texts), {}, false, {}, {},
          [&](int64_t layer) { observe("hidden." + std::to_string(layer), backend_.hidden_states()); });
      observe("pooled", encoder_.pooled().cpu().contiguous());
      observe("embedding", vectors.cpu().contiguous());
      encoder_.release();
    });
  }

 private:
  template <typename Work>
  void guarded(Work work) {
    on_device(place_, [&] {
      const ScopedTf32 tf32(place_, precision_);
      try {
        work();
      } catch (...) {
        if (current_error().code() == ErrorCode::kOutOfMemory) {
          encoder_.release();
          release_cached(place_);
        }
        throw;
      }
    });
  }

  void follow(const Model& model) {
    if (model.weights_version() == version_) return;
    version_ = 0;
    backend_.set_weights({});
    const ParameterTable& table = model.parameters();
    const EncoderSpec& spec = model.spec().encoder;
    const int64_t head_begin = table.layers_end(), words = spec.vocab_size * spec.embedding_width();
    // Never a view of the model's own weights, which may change under a pass.
    const FlatTensor all{sent(model), 0};
    const HalfWeights* half = model.half();
    const float* head = half ? half->fp32(head_begin) : model.data() + head_begin;
    const at::Tensor tail = at::from_blob(const_cast<float*>(head), {table.elements() - head_begin}, at::kFloat)
                                .to(place_.torch(), at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    backend_.set_weights({encoder_tensors(all, table),
                          embedding_tables(all.flat.narrow(0, 0, words).view({spec.vocab_size, spec.embedding_width()}),
                                           all, table, spec),
                          head_tensors(FlatTensor{tail, head_begin}, table)});
    version_ = model.weights_version();
  }

  /// A copy of all weights on the device, in what is computed in.
  at::Tensor sent(const Model& model) const {
    const int64_t elements = model.parameters().elements();
    const HalfWeights* half = model.half();
    if (!half)
      return at::from_blob(const_cast<float*>(model.data()), {elements}, at::kFloat)
          .to(place_.torch(), type_, /*non_blocking=*/false, /*copy=*/true);
    at::Tensor all = at::empty({elements}, at::TensorOptions().dtype(type_).device(place_.torch()));
    half->for_each_part(
        [&](int64_t begin, const at::Tensor& values) { all.narrow(0, begin, values.numel()).copy_(values); });
    return all;
  }

  const Place place_;
  const Precision precision_;
  const at::ScalarType type_;
  TorchBackend backend_;
  SentenceEncoder encoder_;
  uint64_t version_ = 0;  // of the weights
};

}  // namespace

std::unique_ptr<Inference> make_inference(const Model& model, const Place& place, Precision precision) {
  return std::make_unique<DeviceInference>(model, place, precision);
}

}  // namespace vectune::device
