// What the machine and the engine can do, without Node: the bound that benchmarks are held against, and where the time
// of a training step goes. Prints one JSON object a line.
//   engine_bench peak                                           GFLOP/s of the best matrix product, fp32 and bf16
//   engine_bench profile <shape> <precision> <pairs> <lengths>  a pass over the texts whose lengths the file lists
// <shape> is minilm or distiluse, <precision> fp32 or bf16, <pairs> are those of one step.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/engine_info.h"
#include "cpu/gemm.h"
#include "runtime/engine_thread.h"
#include "runtime/memory_budget.h"
#include "runtime/profile.h"
#include "shapes.h"
#include "train/trainer.h"

using namespace vectune;
using namespace vectune::bench;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// The best of several runs of at least 50 ms, in FLOP per second.
template <typename Work>
double best_rate(double flop, Work work) {
  work();
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const auto begin = Clock::now();
    int64_t done = 0;
    do {
      work();
      ++done;
    } while (seconds_since(begin) < 0.05);
    best = std::max(best, flop * static_cast<double>(done) / seconds_since(begin));
  }
  return best;
}

template <typename T>
void peak(const char* name) {
  const auto type = std::is_same_v<T, float> ? at::kFloat : at::kBFloat16;
  double best = 0;
  std::string at_shape;
  for (const int64_t rows : {256, 512, 1024, 2048})
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>{384, 1536}, {1536, 384}, {768, 3072}, {1024, 1024}}) {
      const at::Tensor x = at::randn({rows, in}).to(type), w = at::randn({out, in}).to(type);
      at::Tensor y = at::empty({rows, out}, x.options());
      const double flop = 2.0 * static_cast<double>(rows * in * out);
      const auto* from = static_cast<const T*>(x.const_data_ptr());
      const auto* weights = static_cast<const T*>(w.const_data_ptr());
      auto* to = static_cast<T*>(y.mutable_data_ptr());
      ProductScratch scratch;
      const std::pair<const char*, double> rates[] = {
          {"vectune", best_rate(flop, [&] { Gemm<T>::forward(from, weights, to, rows, in, out, scratch); })},
          {"onednn", best_rate(flop, [&] { Gemm<T>::library_forward(from, weights, to, rows, in, out); })},
          {"aten", best_rate(flop, [&] { at::mm_out(y, x, w.t()); })},
      };
      for (const auto& [who, rate] : rates) {
        if (rate <= best) continue;
        best = rate;
        at_shape = std::to_string(rows) + "x" + std::to_string(in) + "x" + std::to_string(out) + " " + who;
      }
    }
  std::printf("{\"precision\": \"%s\", \"gflops\": %.1f, \"at\": \"%s\"}\n", name, best / 1e9, at_shape.c_str());
}

void profile_step(const std::string& shape, const std::string& precision, int64_t pairs, const std::string& file) {
  const ModelSpec spec = shape_of(shape);
  // Of the vocabulary that such texts use: what is left out of the optimiser takes no time.
  const auto data = dataset_of(file, std::min<int64_t>(spec.encoder.vocab_size, 6000));
  TrainerOptions options;
  options.precision = precision == "bf16" ? Precision::kBf16 : Precision::kFp32;
  Trainer trainer(std::make_shared<Model>(spec, 1u), data, options);
  std::vector<int32_t> rows(static_cast<size_t>(data->rows()));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
  int64_t tokens = 0, steps = 0;
  const auto epoch = [&](int64_t number) {
    tokens = steps = 0;
    for (int64_t first = 0; first < data->rows(); first += pairs, ++steps)
      tokens += trainer.step(rows.data() + first, std::min(pairs, data->rows() - first), pairs, 2e-5, number).tokens;
  };
  epoch(0);  // buffers, and oneDNN's primitives
  profile::enable(true);
  const auto begin = Clock::now();
  epoch(1);
  const double seconds = seconds_since(begin);
  std::printf(
      "{\"shape\": \"%s\", \"precision\": \"%s\", \"pairs\": %ld, \"tokens\": %ld, \"steps\": %ld, "
      "\"seconds\": %.4f, \"phases\": {",
      shape.c_str(), precision.c_str(), static_cast<long>(pairs), static_cast<long>(tokens), static_cast<long>(steps),
      seconds);
  for (int phase = 0; phase < profile::kPhases; ++phase)
    std::printf("%s\"%s\": %.4f", phase ? ", " : "", profile::name(static_cast<profile::Phase>(phase)),
                profile::total(static_cast<profile::Phase>(phase)).seconds);
  std::printf("}}\n");
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> given(arguments + 1, arguments + count);
  memory_budget::install();
  return EngineThread::instance().run([&] {
    try {
      if (given.size() == 1 && given[0] == "peak") {
        peak<float>("fp32");
        const EngineInfo info = engine_info();
        if (info.bf16) peak<bf16>("bf16");
        else std::printf("{\"precision\": \"bf16\", \"gflops\": null, \"at\": null}\n");
        std::printf("{\"simd\": \"%s\", \"threads\": %d}\n", info.simd.c_str(), info.threads);
      } else if (given.size() == 5 && given[0] == "profile") {
        profile_step(given[1], given[2], std::stol(given[3]), given[4]);
      } else {
        throw std::invalid_argument("engine_bench peak | profile <shape> <precision> <pairs> <lengths>");
      }
      return 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
  });
}
