#pragma once
// What the tests on a GPU share. Without one each is skipped, with the reason.
#include <map>
#include <string>
#include <vector>

#include "check.h"
#include "files/safetensors.h"
#include "open_cuda.h"
#include "runtime/engine_thread.h"
#include "tiny_models.h"
#include "torch/gpus.h"
#include "torch/memory.h"
#include "train/trainer.h"

namespace vectune::gpu_test {

inline const Place kGpu{Place::Kind::kCuda, 0};

/// Skips the test where there is no GPU.
inline device::Gpu require_gpu() {
  const device::Gpus found = EngineThread::instance().run([] { return device::gpus(); });
  if (found.all.empty()) SKIP("no GPU can be used: " + found.reason);
  return found.all.front();
}

inline TrainerOptions options_of(const Place& place, Precision precision, float dropout = 0.0f) {
  TrainerOptions options;
  options.place = place;
  options.precision = precision;
  options.dropout = dropout;
  options.seed = 5;
  return options;
}

/// The shape of all-MiniLM-L6-v2 with two layers and a small vocabulary.
inline ModelSpec small_minilm() {
  ModelSpec spec;
  EncoderSpec& e = spec.encoder;
  e.architecture = &architecture("bert");
  e.vocab_size = 2000;
  e.hidden_size = 384;
  e.layers = 2;
  e.heads = 12;
  e.intermediate_size = 1536;
  e.positions = 512;
  e.type_vocab_size = 2;
  spec.head.push_back(PoolingSpec{{PoolingMode::kMean}});
  spec.head.push_back(DenseSpec{384, 96, true, DenseActivation::kTanh});
  return spec;
}

/// A decoder: heads of queries in pairs with one of keys, wider than their share, which see what stands before them, in
/// the second layer a window of it.
inline ModelSpec small_decoder() {
  ModelSpec spec;
  EncoderSpec& e = spec.encoder;
  e.architecture = &architecture("qwen3");
  e.vocab_size = 2000;
  e.hidden_size = 128;
  e.layers = 2;
  e.heads = 4;
  e.key_value_heads = 2;
  e.head_dim = 64;
  e.intermediate_size = 256;
  e.positions = 512;
  e.layer_norm_eps = 1e-6f;
  e.hidden_activation = HiddenActivation::kSilu;
  e.attention = {{{Reach::kAll, 0}, {1e4, 1}}, {{40, 0}, {1e4, 1}}};
  spec.head.push_back(PoolingSpec{{PoolingMode::kLastToken}});
  return spec;
}

/// Texts of 1 to 300 tokens.
inline std::shared_ptr<Dataset> mixed_texts(int64_t vocabulary, int pairs = 16) {
  std::vector<int> lengths;
  for (int i = 0; i < 2 * pairs; ++i) lengths.push_back(i % 7 == 6 ? 300 : 1 + i * 37 % 61);
  return tiny::dataset_of(lengths, vocabulary);
}

inline std::vector<int32_t> all_rows(const Dataset& data) {
  std::vector<int32_t> rows;
  for (int32_t i = 0; i < data.rows(); ++i) rows.push_back(i);
  return rows;
}

/// Texts of 512 tokens.
inline std::shared_ptr<Dataset> long_texts(int64_t vocabulary, int pairs) {
  return tiny::dataset_of(std::vector<int>(static_cast<size_t>(2 * pairs), 512), vocabulary);
}

/// The largest batch that a probe accepts, doubling.
inline int64_t largest_batch(Trainer& trainer, const std::vector<int32_t>& rows) {
  int64_t fits = 0;
  for (int64_t size = 2; size <= static_cast<int64_t>(rows.size()); size *= 2) {
    try {
      trainer.probe(rows.data(), size);
      fits = size;
    } catch (...) {
      CHECK(current_error().code() == ErrorCode::kOutOfMemory);
      break;
    }
  }
  return fits;
}

/// Every gradient by name, as `trace_gradients` writes it.
inline std::map<std::string, std::vector<float>> gradients(const ModelSpec& spec, std::shared_ptr<Dataset> data,
                                                           const TrainerOptions& options, int64_t micro_batch,
                                                           double* loss) {
  const std::string path = tiny::temporary("gpu-gradients");
  const auto rows = all_rows(*data);
  *loss = EngineThread::instance().run([&] {
    return Trainer(std::make_shared<Model>(spec, 7u), data, options)
        .trace_gradients(rows.data(), static_cast<int64_t>(rows.size()), micro_batch, path);
  });
  std::map<std::string, std::vector<float>> all;
  const safetensors::File file(path);
  for (const auto& entry : file.entries()) {
    std::vector<float>& values = all[entry.name];
    values.resize(static_cast<size_t>(entry.elements()));
    std::memcpy(values.data(), entry.data, static_cast<size_t>(entry.bytes));
  }
  std::remove(path.c_str());
  return all;
}

inline double norm(const std::vector<float>& x) {
  double squares = 0;
  for (const float v : x) squares += double{v} * v;
  return std::sqrt(squares);
}

inline double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) squares += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(squares);
}

/// The code of what `work` throws; kNative with a failed check where it throws nothing.
template <typename Work>
ErrorCode code_of(Work work) {
  try {
    work();
  } catch (...) {
    return current_error().code();
  }
  CHECK(!"threw nothing");
  return ErrorCode::kNative;
}

}  // namespace vectune::gpu_test
