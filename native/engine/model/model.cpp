#include "model/model.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>

#include "embed/inference.h"
#include "runtime/errors.h"
#include "runtime/memory_budget.h"
#include "runtime/split_mix.h"
#include "runtime/thread_team.h"
#include "torch/inference.h"
#include "train/dataset.h"

namespace vectune {

namespace {

std::atomic<int64_t> live_models{0};

/// Tokens that `embed` packs at once: enough rows for full GEMM speed, few enough to stay in cache and to keep the
/// buffers small.
constexpr int64_t kTokensPerPack = 4096;

/// Memory for all parameters. Systems promise more than they have and then end who uses it: what is beyond that is
/// refused.
at::Tensor parameters_buffer(int64_t elements) {
  const int64_t bytes = elements * static_cast<int64_t>(sizeof(float)), available = memory_budget::available();
  if (bytes > available)
    throw Error(ErrorCode::kOutOfMemory, "The model's " + std::to_string(elements) + " parameters take " +
                                             std::to_string(bytes / 1000000) + " MB, and there are " +
                                             std::to_string(available / 1000000) + " MB left.");
  return empty_floats(elements);
}

/// x[i] ~ N(0, σ²) by Box and Muller from a hash of (seed, i): the same for any number of threads.
void fill_normal(float* x, int64_t count, float sigma, uint64_t seed) {
  for_each_on_team((count + 1) / 2, [&](int64_t pair) {
    const uint64_t h = split_mix(seed + static_cast<uint64_t>(pair));
    const double u = (static_cast<double>(h >> 32) + 1.0) / 4294967296.0;
    const double v = static_cast<double>(h & 0xffffffffu) / 4294967296.0 * 6.283185307179586;
    const double radius = sigma * std::sqrt(-2.0 * std::log(u));
    x[2 * pair] = static_cast<float>(radius * std::cos(v));
    if (2 * pair + 1 < count) x[2 * pair + 1] = static_cast<float>(radius * std::sin(v));
  });
}

}  // namespace

namespace {

/// What is made of the weights, and made again once they have changed.
template <typename T>
class Derived {
 public:
  /// `make` gives a unique_ptr, which may be null. What was made of older weights goes before.
  template <typename Make>
  void follow(uint64_t version, Make make) {
    if (version_ == version) return;
    made_.reset();
    made_ = make();
    version_ = version;
  }
  const T* get() const { return made_.get(); }

 private:
  std::unique_ptr<T> made_;
  uint64_t version_ = 0;
};

}  // namespace

struct Model::Inference {
  Inference(const ModelSpec& spec, const ParameterTable& table)
      : fp32(spec, table), bf16_(spec, table), int8(spec, table, true) {}

  PackedBatch batch;
  InferencePass<float> fp32;
  InferencePass<bf16> bf16_;
  InferencePass<float> int8;
  // Copies of the encoder's matrices: in fp32 where there is room for it, in bf16 the one or the other.
  Derived<PackedMatrices<float>> packed_fp32;
  Derived<PackedMatrices<bf16>> packed_bf16;
  Derived<at::Tensor> bf16_layers;
  Derived<QuantisedMatrices> quantised;
};

Model::Model(ModelSpec spec, const std::vector<ModuleFile>& files)
    : spec_(std::move(spec)), table_((spec_.validate(), spec_)) {
  flat_ = parameters_buffer(table_.elements());
  std::vector<int> modules{ModuleFile::kEncoder};
  for (size_t i = 0; i < spec_.head.size(); ++i)
    if (table_.head[i].out > 0) modules.push_back(static_cast<int>(i));
  for (const int module : modules) {
    const auto file = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.module == module; });
    if (file == files.end())
      throw Error(
          ErrorCode::kInvalidArgument,
          "No weights file was given for " +
              (module == ModuleFile::kEncoder ? std::string("the encoder") : "head[" + std::to_string(module) + "]") +
              ".");
    auto unused = read_weights(file->path, module, table_, data());
    std::move(unused.begin(), unused.end(), std::back_inserter(unused_));
  }
  ++live_models;
}

Model::Model(ModelSpec spec, uint32_t seed) : spec_(std::move(spec)), table_((spec_.validate(), spec_)) {
  flat_ = parameters_buffer(table_.elements());
  uint64_t stream = split_mix(seed);
  for (const auto& parameter : table_.all()) {
    float* x = data() + parameter.offset;
    stream = split_mix(stream);
    if (parameter.shape.size() == 2) {
      fill_normal(x, parameter.elements, 0.02f, stream);
    } else {
      const bool is_norm_weight = !parameter.decays && parameter.name.ends_with("weight");
      std::fill(x, x + parameter.elements, is_norm_weight ? 1.0f : 0.0f);
    }
  }
  ++live_models;
}

Model::~Model() { --live_models; }

int64_t Model::live() { return live_models; }

Model::Inference& Model::inference() {
  if (!inference_) inference_ = std::make_unique<Inference>(spec_, table_);
  return *inference_;
}

device::DeviceInference& Model::device_inference(const Place& place, Precision precision) {
  if (!device_inference_ || !device_inference_->is_for(place, precision)) {
    device_inference_.reset();
    device_inference_ = std::make_unique<device::DeviceInference>(spec_, table_, place, precision);
  }
  return *device_inference_;
}

void Model::check_texts_fit(const int32_t* ids, const int32_t* offsets, int64_t texts) const {
  check_texts(ids, offsets[texts], offsets, texts);
  for (int64_t t = 0; t < texts; ++t)
    if (offsets[t + 1] - offsets[t] > longest_text())
      throw Error(ErrorCode::kInvalidArgument,
                  "Text " + std::to_string(t) + " has " + std::to_string(offsets[t + 1] - offsets[t]) +
                      " tokens; the model has " + std::to_string(longest_text()) + " positions.");
  for (int64_t i = 0; i < offsets[texts]; ++i)
    if (ids[i] >= spec_.encoder.vocab_size)
      throw Error(ErrorCode::kInvalidArgument, "Token " + std::to_string(ids[i]) + " is outside the vocabulary of " +
                                                   std::to_string(spec_.encoder.vocab_size) + ".");
}

void Model::embed(const int32_t* ids, const int32_t* offsets, int64_t texts, Precision precision, float* out,
                  const Place& place) {
  check_texts_fit(ids, offsets, texts);
  if (place.on_device())
    return device_inference(place, precision).embed(data(), weights_version_, ids, offsets, texts, out);
  if (precision == Precision::kTf32 || precision == Precision::kFp16)
    throw Error(ErrorCode::kInvalidArgument, "On the processor embedding is in fp32, bf16 or int8.");
  if (precision == Precision::kInt8 && !QuantisedMatrices::supported())
    throw Error(ErrorCode::kInvalidArgument, "This processor does not multiply int8 exactly.");
  Inference& pass = inference();
  const int64_t words = spec_.encoder.vocab_size * spec_.encoder.hidden_size, dimension = spec_.dimension();
  const FlatView<const float> fp32{data(), data() + words, words};

  if (precision == Precision::kFp32) {
    pass.packed_fp32.follow(weights_version_, [&]() -> std::unique_ptr<PackedMatrices<float>> {
      if (!PackedMatrices<float>::suits(table_)) return nullptr;
      try {
        return std::make_unique<PackedMatrices<float>>(table_, data());
      } catch (const c10::OutOfMemoryError&) {
        return nullptr;  // the weights themselves do, more slowly
      }
    });
  } else if (precision == Precision::kInt8) {
    pass.quantised.follow(weights_version_, [&] { return std::make_unique<QuantisedMatrices>(table_, data()); });
  } else {
    pass.packed_bf16.follow(weights_version_, [&] {
      return PackedMatrices<bf16>::suits(table_) ? std::make_unique<PackedMatrices<bf16>>(table_, data()) : nullptr;
    });
    if (!pass.packed_bf16.get())
      pass.bf16_layers.follow(weights_version_, [&] {
        const int64_t begin = table_.embeddings_end, count = table_.layers.back().end - begin;
        auto layers = std::make_unique<at::Tensor>(at::empty({count}, at::TensorOptions().dtype(at::kBFloat16)));
        kernels::table().common.to_bf16(static_cast<bf16*>(layers->mutable_data_ptr()), data() + begin, count);
        return layers;
      });
  }

  for (int64_t first = 0; first < texts;) {
    int64_t last = first + 1;
    while (last < texts && offsets[last + 1] - offsets[first] <= kTokensPerPack) ++last;
    pass.batch.pack(
        last - first,
        [&](int64_t i) {
          const int64_t t = first + i;
          return PackedBatch::Text{ids + offsets[t], offsets[t + 1] - offsets[t], static_cast<int32_t>(t)};
        },
        inference_rounding(precision, offsets[last] - offsets[first]), nullptr);
    const float* embeddings;
    if (precision == Precision::kBf16) {
      const auto* layers =
          pass.packed_bf16.get() ? nullptr : static_cast<const bf16*>(pass.bf16_layers.get()->const_data_ptr());
      embeddings = pass.bf16_.run(pass.batch, {fp32, layers, table_.embeddings_end, pass.packed_bf16.get()}, {});
    } else if (precision == Precision::kInt8) {
      embeddings = pass.int8.run(pass.batch, {fp32, fp32.rest, words, nullptr, pass.quantised.get()}, {});
    } else {
      embeddings = pass.fp32.run(pass.batch, {fp32, fp32.rest, words, pass.packed_fp32.get()}, {});
    }
    std::memcpy(out + first * dimension, embeddings, sizeof(float) * static_cast<size_t>((last - first) * dimension));
    first = last;
  }
}

void Model::trace_forward(const int32_t* ids, const int32_t* offsets, int64_t texts, const std::string& path,
                          Precision precision, const Place& place) {
  check_texts_fit(ids, offsets, texts);
  if (place.on_device()) {
    std::vector<std::pair<std::string, at::Tensor>> all;
    device_inference(place, precision)
        .trace(data(), weights_version_, ids, offsets, texts,
               [&](const std::string& name, const at::Tensor& values) { all.emplace_back(name, values); });
    std::vector<safetensors::Item> items;
    for (const auto& [name, values] : all)
      items.push_back({name, safetensors::Dtype::kF32, values.sizes().vec(), values.const_data_ptr<float>()});
    return safetensors::write(path, items);
  }
  Inference& pass = inference();
  const int64_t words = spec_.encoder.vocab_size * spec_.encoder.hidden_size, hidden = spec_.encoder.hidden_size;
  const FlatView<const float> fp32{data(), data() + words, words};
  pass.batch.pack(
      texts,
      [&](int64_t t) {
        return PackedBatch::Text{ids + offsets[t], offsets[t + 1] - offsets[t], static_cast<int32_t>(t)};
      },
      1, nullptr);
  const int64_t tokens = offsets[texts];
  std::map<std::string, std::vector<float>> traced;
  const float* embeddings = pass.fp32.run(pass.batch, {fp32, fp32.rest, words}, {}, [&](int64_t layer, const float* y) {
    traced["hidden." + std::to_string(layer)].assign(y, y + tokens * hidden);
  });
  std::vector<safetensors::Item> items;
  for (const auto& [name, values] : traced)
    items.push_back({name, safetensors::Dtype::kF32, {tokens, hidden}, values.data()});
  const Head& head = pass.fp32.head();
  items.push_back({"pooled", safetensors::Dtype::kF32, {texts, head.pooled_width()}, head.pooled()});
  items.push_back({"embedding", safetensors::Dtype::kF32, {texts, head.dimension()}, embeddings});
  safetensors::write(path, items);
}

void Model::save(const std::vector<ModuleFile>& files) const {
  for (const auto& file : files) write_weights(file.path, file.module, table_, data(), unused_);
}

}  // namespace vectune
