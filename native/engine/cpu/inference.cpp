#include "cpu/inference.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <cstring>

#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"
#include "cpu/packed_matrices.h"
#include "cpu/quantised.h"
#include "nn/sentence_encoder.h"
#include "runtime/errors.h"

namespace vectune::cpu {

namespace {

/// Tokens that are packed at once: enough rows for full GEMM speed, few enough to stay in cache and to keep the buffers
/// small.
constexpr int64_t kTokensPerPack = 4096;

FlatView<const float> view_of(const Model& model) {
  const int64_t words = model.spec().encoder.vocab_size * model.spec().encoder.hidden_size;
  return {model.data(), model.data() + words, words};
}

/// The encoder's matrices rounded to bf16, as they stand in the model.
class RoundedMatrices {
 public:
  explicit RoundedMatrices(const Model& model)
      : flat_(rounded(model)),
        matrices_(model.parameters(), static_cast<const bf16*>(flat_.const_data_ptr()),
                  model.parameters().embeddings_end) {}
  const Matrices<bf16>& matrices() const { return matrices_; }

 private:
  static at::Tensor rounded(const Model& model) {
    const int64_t begin = model.parameters().embeddings_end, count = model.parameters().layers_end() - begin;
    at::Tensor layers = at::empty({count}, at::TensorOptions().dtype(at::kBFloat16));
    kernels::table().common.to_bf16(static_cast<bf16*>(layers.mutable_data_ptr()), model.data() + begin, count);
    return layers;
  }
  at::Tensor flat_;
  PlainMatrices<bf16> matrices_;
};

template <typename T>
class CpuInference : public Inference {
 public:
  using Use = typename CpuBackend<T>::Use;
  explicit CpuInference(const Model& model, Use use = Use::kInference)
      : backend_(model.spec(), model.parameters(), use), encoder_(model.spec(), model.parameters(), backend_) {}

  void embed(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts, int64_t unpooled,
             float* out) override {
    const int64_t dimension = model.spec().dimension();
    backend_.set_weights(view_of(model), matrices(model));
    for_packs(offsets, texts, kTokensPerPack, [&](int64_t first, int64_t count) {
      const at::Tensor vectors = encoder_.forward(Texts::of(ids, offsets + first, count, unpooled), {}, false, {});
      std::memcpy(out + first * dimension, vectors.const_data_ptr<float>(),
                  sizeof(float) * static_cast<size_t>(count * dimension));
    });
  }

  void trace(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts,
             const Observer& observe) override {
    backend_.set_weights(view_of(model), matrices(model));
    const at::Tensor vectors = encoder_.forward(Texts::of(ids, offsets, texts), {}, false, {}, {}, [&](int64_t layer) {
      observe("hidden." + std::to_string(layer), backend_.hidden_states());
    });
    observe("pooled", encoder_.pooled());
    observe("embedding", vectors);
  }

 protected:
  virtual const Matrices<T>& matrices(const Model& model) = 0;

 private:
  CpuBackend<T> backend_;
  SentenceEncoder encoder_;
};

/// Packed where there is room for it; else the weights themselves do, more slowly.
class Fp32Inference final : public CpuInference<float> {
 public:
  using CpuInference::CpuInference;

 private:
  const Matrices<float>& matrices(const Model& model) override {
    const ParameterTable& table = model.parameters();
    packed_.follow(model.weights_version(), [&]() -> std::unique_ptr<Matrices<float>> {
      if (PackedMatrices<float>::suits(table)) {
        try {
          return std::make_unique<PackedMatrices<float>>(table, model.data());
        } catch (const c10::OutOfMemoryError&) {
        }
      }
      return std::make_unique<PlainMatrices<float>>(table, model.data(), 0);
    });
    return *packed_.get();
  }
  Derived<Matrices<float>> packed_;
};

class Bf16Inference final : public CpuInference<bf16> {
 public:
  using CpuInference::CpuInference;

 private:
  const Matrices<bf16>& matrices(const Model& model) override {
    const ParameterTable& table = model.parameters();
    if (PackedMatrices<bf16>::suits(table)) {
      packed_.follow(model.weights_version(),
                     [&] { return std::make_unique<PackedMatrices<bf16>>(table, model.data()); });
      return *packed_.get();
    }
    rounded_.follow(model.weights_version(), [&] { return std::make_unique<RoundedMatrices>(model); });
    return rounded_.get()->matrices();
  }
  Derived<PackedMatrices<bf16>> packed_;
  Derived<RoundedMatrices> rounded_;
};

class Int8Inference final : public CpuInference<float> {
 public:
  explicit Int8Inference(const Model& model) : CpuInference(model, Use::kQuantisedInference) {}

 private:
  const Matrices<float>& matrices(const Model& model) override {
    quantised_.follow(model.weights_version(),
                      [&] { return std::make_unique<QuantisedMatrices>(model.parameters(), model.data()); });
    return *quantised_.get();
  }
  Derived<QuantisedMatrices> quantised_;
};

}  // namespace

std::unique_ptr<Inference> make_inference(const Model& model, Precision precision) {
  switch (precision) {
    case Precision::kFp32: return std::make_unique<Fp32Inference>(model);
    case Precision::kBf16: return std::make_unique<Bf16Inference>(model);
    case Precision::kInt8:
      if (QuantisedMatrices::supported()) return std::make_unique<Int8Inference>(model);
      throw Error(ErrorCode::kInvalidArgument, "This processor does not multiply int8 exactly.");
    case Precision::kTf32:
    case Precision::kFp16: break;
  }
  throw Error(ErrorCode::kInvalidArgument, "On the processor embedding is in fp32, bf16 or int8.");
}

}  // namespace vectune::cpu
