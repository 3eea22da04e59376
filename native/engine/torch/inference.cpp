#include "torch/inference.h"

#include <ATen/ops/from_blob.h>

#include <cstring>

#include "torch/encoder.h"
#include "torch/head.h"
#include "torch/health.h"
#include "torch/memory.h"
#include "torch/precision.h"
#include "torch/result.h"

namespace vectune::device {

namespace {

/// Tokens that `embed` packs at once.
constexpr int64_t kTokensPerPack = 32768;

}  // namespace

struct DeviceInference::State {
  State(const ModelSpec& s, const ParameterTable& t, const Place& p, Precision precision)
      : spec(s),
        table(t),
        place(p),
        precision(precision),
        type(compute_type(precision)),
        encoder(s.encoder, PackedAttention(PackedAttention::choose(p, gpu_of(p), type, s.encoder.head_size()),
                                           s.encoder.heads, s.encoder.head_size())),
        head(s, t) {}

  template <typename Work>
  auto guarded(Work work) -> decltype(work()) {
    return on_device(place, [&] {
      const ScopedTf32 tf32(place, precision);
      try {
        return work();
      } catch (...) {
        if (current_error().code() == ErrorCode::kOutOfMemory) {
          head.release();
          release_cached(place);
        }
        throw;
      }
    });
  }

  void follow(const float* flat, uint64_t version) {
    if (version == has) return;
    has = 0;
    compute.reset();
    tail.reset();
    tensors = {};
    tables = {};
    const int64_t head_begin = table.layers.back().end, words = spec.encoder.vocab_size * spec.encoder.hidden_size;
    const at::Tensor host = at::from_blob(const_cast<float*>(flat), {table.elements()}, at::kFloat);
    // Never a view of the model's own weights, which may change under a pass.
    compute = host.to(place.torch(), type, /*non_blocking=*/false, /*copy=*/true);
    tail = host.narrow(0, head_begin, table.elements() - head_begin).to(place.torch(), at::kFloat, false, true);
    const FlatTensor all{compute, 0};
    tensors = encoder_tensors(all, table, spec.encoder);
    tables = embedding_tables(compute.narrow(0, 0, words).view({spec.encoder.vocab_size, spec.encoder.hidden_size}),
                              all, table, spec.encoder);
    has = version;
  }

  DeviceBatch pack(const int32_t* ids, const int32_t* offsets, int64_t texts) const {
    return stage(
        place, texts, [&](int64_t t) { return StagedText{ids + offsets[t], offsets[t + 1] - offsets[t]}; }, {},
        spec.encoder.position_offset, nullptr);
  }

  at::Tensor run(const DeviceBatch& batch, const DeviceEncoder::Observer& observe = nullptr) {
    const at::Tensor y = encoder.forward(batch, tables, tensors, {}, nullptr, {}, observe);
    return head.forward(batch, y, {tail, table.layers.back().end});
  }

  const ModelSpec spec;
  const ParameterTable& table;
  const Place place;
  const Precision precision;
  const at::ScalarType type;
  DeviceEncoder encoder;
  DeviceHead head;
  at::Tensor compute, tail;  // all weights in the compute type; those of the head in fp32
  EncoderTensors tensors;
  EmbeddingTables tables;
  uint64_t has = 0;  // version of the weights
};

DeviceInference::DeviceInference(const ModelSpec& spec, const ParameterTable& table, const Place& place,
                                 Precision precision)
    : state_(std::make_unique<State>(spec, table, place, precision)) {}
DeviceInference::~DeviceInference() = default;

bool DeviceInference::is_for(const Place& place, Precision precision) const {
  return state_->place == place && state_->precision == precision;
}

void DeviceInference::embed(const float* flat, uint64_t version, const int32_t* ids, const int32_t* offsets,
                            int64_t texts, float* out) {
  State& s = *state_;
  s.guarded([&] {
    s.follow(flat, version);
    const int64_t dimension = s.spec.dimension();
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
    for (int64_t first = 0; first < texts;) {
      int64_t last = first + 1;
      while (last < texts && offsets[last + 1] - offsets[first] <= kTokensPerPack) ++last;
      const at::Tensor embeddings = s.run(s.pack(ids, offsets + first, last - first));
      Begun begun{std::make_unique<DeviceResult>(s.place, embeddings), first, last - first};
      take(before);  // while the device works on this one
      before = std::move(begun);
      first = last;
    }
    take(before);
    s.head.release();
  });
}

void DeviceInference::trace(const float* flat, uint64_t version, const int32_t* ids, const int32_t* offsets,
                            int64_t texts, const Observer& observe) {
  State& s = *state_;
  s.guarded([&] {
    s.follow(flat, version);
    const DeviceBatch batch = s.pack(ids, offsets, texts);
    const auto show = [&](const std::string& name, const at::Tensor& values) {
      observe(name, values.to(at::kFloat).cpu().contiguous());
    };
    const at::Tensor embeddings = s.run(batch, [&](int64_t layer, const at::Tensor& y) {
      show("hidden." + std::to_string(layer), y.narrow(0, 0, batch.tokens));
    });
    show("pooled", s.head.pooled());
    show("embedding", embeddings);
    s.head.release();
  });
}

}  // namespace vectune::device
