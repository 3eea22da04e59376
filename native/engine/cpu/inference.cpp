#include "cpu/inference.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/cpu_backend.h"
#include "cpu/engine_info.h"
#include "cpu/kernels.h"
#include "cpu/packed_matrices.h"
#include "cpu/quantised.h"
#include "cpu/widened_linear.h"
#include "nn/sentence_encoder.h"
#include "runtime/errors.h"

namespace vectune::cpu {

namespace {

/// Tokens that are packed at once: enough rows for full GEMM speed, few enough to stay in cache and to keep the buffers
/// small. Of wide layers a quarter: theirs are as large then.
int64_t tokens_per_pack(const EncoderSpec& spec) {
  const int64_t inner = (spec.architecture->gated() ? 2 : 1) * spec.intermediate_size;
  return std::max(spec.qkv_width(), inner) <= 4096 ? 4096 : 1024;
}

FlatView<const float> view_of(const Model& model) {
  const int64_t words = model.spec().encoder.vocab_size * model.spec().encoder.embedding_width();
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

/// The encoder's matrices where the model keeps them in bf16, no copy of any; those that it has in fp32 are rounded.
class KeptMatrices final : public Matrices<bf16> {
 public:
  KeptMatrices(const ParameterTable& table, const HalfWeights& half) {
    const auto linears = table.linears();
    std::vector<bf16*> rounded(linears.size(), nullptr);
    rounded_.carve([&](Arena::Carver& carver) {
      for (const LinearAt* l : linears)
        if (!half.is_half(l->weight)) rounded[l->number] = carver.take<bf16>(l->in * l->out);
    });
    for (const LinearAt* l : linears) {
      bf16* const own = rounded[l->number];
      if (own) kernels::table().common.to_bf16(own, half.fp32(l->weight), l->in * l->out);
      add(std::make_unique<PlainLinear<bf16>>(own ? own : static_cast<const bf16*>(half.half(l->weight)), l->in,
                                              l->out));
    }
  }

 private:
  Arena rounded_;
};

/// In fp32 of a model that keeps them in bf16, as copies.
class CopiedMatrices final : public Matrices<float> {
 public:
  CopiedMatrices(const ParameterTable& table, const HalfWeights& half) {
    const auto linears = table.linears();
    std::vector<float*> copies(linears.size());
    copies_.carve([&](Arena::Carver& carver) {
      for (const LinearAt* l : linears) copies[l->number] = carver.take<float>(l->in * l->out);
    });
    for (const LinearAt* l : linears) {
      half.read(l->weight, l->in * l->out, copies[l->number]);
      add(std::make_unique<PlainLinear<float>>(copies[l->number], l->in, l->out));
    }
  }

 private:
  Arena copies_;
};

/// The same without copies: each is made fp32, which changes no number, for the time of its product.
class WidenedMatrices final : public Matrices<float> {
 public:
  WidenedMatrices(const ParameterTable& table, const HalfWeights& half) {
    int64_t largest = 0;
    for (const LinearAt* l : table.linears()) largest = std::max(largest, l->in * l->out);
    wide_.carve([&](Arena::Carver& carver) { carver.take<float>(largest); });
    for (const LinearAt* l : table.linears()) {
      if (half.is_half(l->weight))
        add(std::make_unique<WidenedLinear>(static_cast<const bf16*>(half.half(l->weight)), l->in, l->out,
                                            static_cast<float*>(wide_.data())));
      else add(std::make_unique<PlainLinear<float>>(half.fp32(l->weight), l->in, l->out));
    }
  }

 private:
  Arena wide_;
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
    take_weights(model);
    for_packs(offsets, texts, tokens_per_pack(model.spec().encoder), [&](int64_t first, int64_t count) {
      const at::Tensor vectors = encoder_.forward(Texts::of(ids, offsets + first, count, unpooled), {}, false, {});
      std::memcpy(out + first * dimension, vectors.const_data_ptr<float>(),
                  sizeof(float) * static_cast<size_t>(count * dimension));
    });
  }

  void trace(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts,
             const Observer& observe) override {
    take_weights(model);
    const at::Tensor vectors = encoder_.forward(Texts::of(ids, offsets, texts), {}, false, {}, {}, [&](int64_t layer) {
      observe("hidden." + std::to_string(layer), backend_.hidden_states());
    });
    observe("pooled", encoder_.pooled());
    observe("embedding", vectors);
  }

 protected:
  /// In the form of the precision. That of weights which the model keeps in bf16 may leave these as they are.
  virtual const Matrices<T>& matrices(const Model& model) = 0;

 private:
  void take_weights(const Model& model) {
    const Matrices<T>& all = matrices(model);
    if (const HalfWeights* half = model.half()) backend_.set_weights(*half, all);
    else backend_.set_weights(view_of(model), all);
  }

  CpuBackend<T> backend_;
  SentenceEncoder encoder_;
};

/// Packed where there is room for it; else the weights themselves do, more slowly. Of weights that the model keeps in
/// bf16 the matrices are fp32 here and not there.
class Fp32Inference final : public CpuInference<float> {
 public:
  using CpuInference::CpuInference;

 private:
  const Matrices<float>& matrices(const Model& model) override {
    const ParameterTable& table = model.parameters();
    matrices_.follow(model.weights_version(), [&]() -> std::unique_ptr<Matrices<float>> {
      const HalfWeights* half = model.half();
      try {
        if (PackedMatrices<float>::suits(table)) return std::make_unique<PackedMatrices<float>>(model);
        if (half) return std::make_unique<CopiedMatrices>(table, *half);
      } catch (const c10::OutOfMemoryError&) {
      }
      if (half) return std::make_unique<WidenedMatrices>(table, *half);
      return std::make_unique<PlainMatrices<float>>(table, model.data(), 0);
    });
    return *matrices_.get();
  }
  Derived<Matrices<float>> matrices_;
};

class Bf16Inference final : public CpuInference<bf16> {
 public:
  using CpuInference::CpuInference;

 private:
  const Matrices<bf16>& matrices(const Model& model) override {
    const ParameterTable& table = model.parameters();
    if (const HalfWeights* half = model.half()) {
      kept_.follow(model.weights_version(), [&] { return std::make_unique<KeptMatrices>(table, *half); });
      return *kept_.get();
    }
    if (PackedMatrices<bf16>::suits(table)) {
      packed_.follow(model.weights_version(), [&] { return std::make_unique<PackedMatrices<bf16>>(model); });
      return *packed_.get();
    }
    rounded_.follow(model.weights_version(), [&] { return std::make_unique<RoundedMatrices>(model); });
    return rounded_.get()->matrices();
  }
  Derived<KeptMatrices> kept_;
  Derived<PackedMatrices<bf16>> packed_;
  Derived<RoundedMatrices> rounded_;
};

/// Of a model that keeps its weights in bf16.
class WidenedInference final : public CpuInference<float> {
 public:
  using CpuInference::CpuInference;

 private:
  const Matrices<float>& matrices(const Model& model) override {
    widened_.follow(model.weights_version(),
                    [&] { return std::make_unique<WidenedMatrices>(model.parameters(), *model.half()); });
    return *widened_.get();
  }
  Derived<WidenedMatrices> widened_;
};

/// bf16 on a processor that does not multiply it: weights that the model keeps so as the fp32 numbers they are, others
/// rounded, and products by a library.
class EmulatedBf16Inference final : public Inference {
 public:
  void embed(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts, int64_t unpooled,
             float* out) override {
    of(model).embed(model, ids, offsets, texts, unpooled, out);
  }
  void trace(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts,
             const Observer& observe) override {
    of(model).trace(model, ids, offsets, texts, observe);
  }

 private:
  Inference& of(const Model& model) {
    const bool kept = model.half() != nullptr;
    if (inference_ && kept == kept_) return *inference_;
    inference_.reset();
    if (kept) inference_ = std::make_unique<WidenedInference>(model);
    else inference_ = std::make_unique<Bf16Inference>(model);
    kept_ = kept;
    return *inference_;
  }
  std::unique_ptr<Inference> inference_;
  bool kept_ = false;
};

class Int8Inference final : public CpuInference<float> {
 public:
  explicit Int8Inference(const Model& model) : CpuInference(model, Use::kQuantisedInference) {}

 private:
  const Matrices<float>& matrices(const Model& model) override {
    quantised_.follow(model.weights_version(), [&] { return std::make_unique<QuantisedMatrices>(model); });
    return *quantised_.get();
  }
  Derived<QuantisedMatrices> quantised_;
};

}  // namespace

std::unique_ptr<Inference> make_inference(const Model& model, Precision precision) {
  switch (precision) {
    case Precision::kFp32: return std::make_unique<Fp32Inference>(model);
    case Precision::kBf16:
      if (processor_has_bf16()) return std::make_unique<Bf16Inference>(model);
      return std::make_unique<EmulatedBf16Inference>();
    case Precision::kInt8:
      if (QuantisedMatrices::supported()) return std::make_unique<Int8Inference>(model);
      throw Error(ErrorCode::kInvalidArgument, "This processor does not multiply int8 exactly.");
    case Precision::kTf32:
    case Precision::kFp16: break;
  }
  throw Error(ErrorCode::kInvalidArgument, "On the processor embedding is in fp32, bf16 or int8.");
}

}  // namespace vectune::cpu
