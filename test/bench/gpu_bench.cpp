// What a GPU can do and what the device path makes of it, without Node. Prints one JSON object a line.
//   gpu_bench <device> <command> [+ <command> ...]
//     info                                                the GPU, its driver and LibTorch
//     peak                                                TFLOP/s of the best matrix product in each precision, GB/s of
//     a copy batch   <shape> <precision> <length> <fraction>     the finder's log, and the largest batch; alone in its
//     process train   <shape> <precision> <pairs> <lengths>       tokens/s of steps of so many pairs, and the bytes
//     that they move embed   <shape> <precision> <lengths>               the same of embedding profile <shape>
//     <precision> <pairs> <lengths> <trace>   a trace of three steps, for summarise_trace.py
// <device> is cuda:0 (or cpu-tensors, which shows that the program works), <shape> minilm or distiluse, <precision>
// fp32, tf32, bf16 or fp16; <lengths> a file with the length of each text.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>

#include "../gpu/open_cuda.h"
#include "cpu/engine_info.h"
#include "embed/embed.h"
#include "model/model.h"
#include "runtime/engine_thread.h"
#include "runtime/errors.h"
#include "runtime/memory_budget.h"
#include "shapes.h"
#include "torch/gpus.h"
#include "torch/health.h"
#include "torch/memory.h"
#include "torch/precision.h"
#include "torch/result.h"
#include "traffic.h"
#include "train/trainer.h"

using namespace vectune;
using namespace vectune::bench;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

Precision precision_of(const std::string& name) {
  static const std::map<std::string, Precision> all{
      {"fp32", Precision::kFp32}, {"tf32", Precision::kTf32}, {"bf16", Precision::kBf16}, {"fp16", Precision::kFp16}};
  const auto found = all.find(name);
  if (found == all.end()) throw std::invalid_argument("the precision must be fp32, tf32, bf16 or fp16, but is " + name);
  return found->second;
}

/// Waits until the device has done what it was given.
void wait_for(const Place& place, const at::Tensor& last) {
  device::DeviceResult(place, last.flatten().narrow(0, 0, 1).to(at::kFloat)).wait();
}

void info(const Place& place) {
  const device::Gpu gpu = device::gpu_of(place);
  std::printf(
      "{\"device\": \"%s\", \"gpu\": \"%s\", \"capability\": \"%d.%d\", \"bytes\": %lld, \"driver_cuda\": \"%s\", "
      "\"libtorch\": \"%s\"}\n",
      place.text().c_str(), gpu.name.c_str(), gpu.major, gpu.minor, static_cast<long long>(gpu.bytes),
      place.cuda() ? device::gpus().driver.c_str() : "", libtorch_version().c_str());
}

void peak(const Place& place) {
  const bool small = !place.cuda();  // CPU tensors only show that it works
  for (const char* name : {"fp32", "tf32", "bf16", "fp16"}) {
    const Precision precision = precision_of(name);
    const device::ScopedTf32 tf32(place, precision);
    double best = 0;
    std::string at;
    for (const int64_t rows : {int64_t{4096}, int64_t{16384}})
      for (const auto& [in, out] : {std::pair<int64_t, int64_t>{384, 1536}, {768, 3072}, {4096, 4096}, {8192, 8192}}) {
        if (small && (rows > 4096 || in > 384)) continue;
        const auto options = at::TensorOptions().device(place.torch()).dtype(device::compute_type(precision));
        const at::Tensor x = at::randn({rows, in}, options), w = at::randn({out, in}, options);
        at::Tensor y = at::mm(x, w.t());
        wait_for(place, y);
        const double flop = 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out);
        for (int round = 0; round < 5; ++round) {
          const int times = small ? 1 : std::max(1, static_cast<int>(2e13 / flop));
          const auto begin = Clock::now();
          for (int i = 0; i < times; ++i) at::mm_out(y, x, w.t());
          wait_for(place, y);
          const double rate = flop * times / seconds_since(begin);
          if (rate <= best) continue;
          best = rate;
          at = std::to_string(rows) + "x" + std::to_string(in) + "x" + std::to_string(out);
        }
      }
    std::printf("{\"peak\": \"%s\", \"tflops\": %.4g, \"at\": \"%s\"}\n", name, best / 1e12, at.c_str());
  }
  const int64_t bytes = small ? int64_t{64} << 20 : int64_t{2} << 30;
  const auto options = at::TensorOptions().device(place.torch()).dtype(at::kByte);
  const at::Tensor from = at::empty({bytes}, options), to = at::empty({bytes}, options);
  double best = 0;
  for (int round = 0; round < 6; ++round) {
    const int times = small || round == 0 ? 1 : 20;
    const auto begin = Clock::now();
    for (int i = 0; i < times; ++i) to.copy_(from);
    wait_for(place, to);
    if (round > 0) best = std::max(best, 2.0 * static_cast<double>(bytes) * times / seconds_since(begin));
  }
  std::printf("{\"peak\": \"memory\", \"gbytes_per_second\": %.1f}\n", best / 1e9);
}

void batch(const Place& place, const std::string& shape, const std::string& precision, int64_t length,
           double fraction) {
  if (place.cuda()) device::set_memory_fraction(place, fraction);
  const ModelSpec spec = shape_of(shape);
  constexpr int64_t kMost = 1 << 17;
  std::vector<int32_t> ids(static_cast<size_t>(2 * kMost * length)), offsets{0}, rows(kMost);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i * 7919 % 6000);
  for (int64_t i = 0; i < 2 * kMost; ++i) offsets.push_back(static_cast<int32_t>((i + 1) * length));
  std::iota(rows.begin(), rows.end(), 0);
  const std::vector<float> scores(kMost, 0.5f);
  const auto data = tiny::pairs_of(ids, offsets, scores);
  TrainerOptions options;
  options.place = place;
  options.precision = precision_of(precision);
  Trainer trainer(std::make_shared<Model>(spec, 1u), data, options);
  const auto fits = [&](int64_t size) {
    std::string outcome = "succeeded";
    try {
      trainer.probe(rows.data(), size);
    } catch (...) {
      if (current_error().code() != ErrorCode::kOutOfMemory) throw;
      outcome = "failed";
    }
    const auto memory = device::memory_of(place);
    device::reset_peak(place);
    std::printf("{\"finder\": %lld, \"outcome\": \"%s\", \"peak_bytes\": %lld}\n", static_cast<long long>(size),
                outcome.c_str(), static_cast<long long>(memory.peak));
    return outcome == "succeeded";
  };
  // The finder doubles. What lies between its last two sizes is halved thrice, to compare with others.
  int64_t found = 0, size = 2;
  const int64_t most = place.cuda() ? kMost : 8;
  for (; size <= most && fits(size); size *= 2) found = size;
  const int64_t doubled = found;
  if (size <= most && doubled >= 8)
    for (int64_t step = doubled / 2; step >= doubled / 8; step /= 2)
      if (fits(found + step)) found += step;
  std::printf(
      "{\"largest_batch\": %lld, \"doubling\": %lld, \"shape\": \"%s\", \"precision\": \"%s\", \"length\": %lld, "
      "\"fraction\": %g, "
      "\"parameters\": %lld, \"optimised_parameters\": %lld}\n",
      static_cast<long long>(found), static_cast<long long>(doubled), shape.c_str(), precision.c_str(),
      static_cast<long long>(length), fraction, static_cast<long long>(trainer.stats().parameters),
      static_cast<long long>(trainer.stats().optimised_parameters));
}

/// Floating-point operations of a token's forward pass through the encoder's matrices, and in attention for each token
/// of its text.
struct Work {
  double matrices, attention;
};
Work work_of(const ModelSpec& spec) {
  const EncoderSpec& e = spec.encoder;
  const double h = static_cast<double>(e.hidden_size), inner = static_cast<double>(e.intermediate_size),
               layers = static_cast<double>(e.layers);
  return {layers * 2 * (4 * h * h + 2 * h * inner), layers * 4 * h};
}

double flop_of(const ModelSpec& spec, const Dataset& data, double passes) {
  const Work work = work_of(spec);
  double flop = 0;
  for (int64_t text = 0; text < data.texts(); ++text) {
    const double tokens = static_cast<double>(data.length(text));
    flop += tokens * (work.matrices + work.attention * tokens);
  }
  return passes * flop;
}

/// "quora" of ".../quora.txt".
std::string name_of(const std::string& lengths) { return std::filesystem::path(lengths).stem().string(); }

struct Training {
  std::shared_ptr<Dataset> data;
  std::unique_ptr<Trainer> trainer;
  std::vector<int32_t> rows;
  int64_t pairs;

  Training(const Place& place, const std::string& shape, const std::string& precision, int64_t p,
           const std::string& lengths)
      : pairs(p) {
    const ModelSpec spec = shape_of(shape);
    // Of the vocabulary that such texts use: what is left out of the optimiser takes no time.
    data = dataset_of(lengths, std::min<int64_t>(spec.encoder.vocab_size, 6000));
    TrainerOptions options;
    options.place = place;
    options.precision = precision_of(precision);
    trainer = std::make_unique<Trainer>(std::make_shared<Model>(spec, 1u), data, options);
    rows.resize(static_cast<size_t>(data->rows()));
    std::iota(rows.begin(), rows.end(), 0);
  }

  /// Returns the tokens. Steps are begun while those before them run, as the product does it.
  int64_t epoch(int64_t number, int64_t most_steps = 1 << 30) {
    constexpr size_t kBegun = 4;
    std::deque<StepOutcome> begun;
    int64_t tokens = 0;
    const auto take = [&] {
      tokens += begun.front().get().tokens;
      begun.pop_front();
    };
    for (int64_t first = 0, step = 0; first < data->rows() && step < most_steps; first += pairs, ++step) {
      if (begun.size() == kBegun) take();
      begun.push_back(
          trainer->begin_step(rows.data() + first, std::min(pairs, data->rows() - first), pairs, 2e-5, number));
    }
    while (!begun.empty()) take();
    return tokens;
  }
};

void train(const Place& place, const std::string& shape, const std::string& precision, int64_t pairs,
           const std::string& lengths) {
  Training training(place, shape, precision, pairs, lengths);
  training.epoch(0);
  device::reset_peak(place);
  double best = 0;
  int64_t tokens = 0;
  for (int round = 1; round <= 3; ++round) {
    const auto begin = Clock::now();
    tokens = training.epoch(round);
    best = std::max(best, static_cast<double>(tokens) / seconds_since(begin));
  }
  const int64_t held = device::memory_of(place).peak;
  const double flop = flop_of(shape_of(shape), *training.data, 3.0) / static_cast<double>(tokens);
  const Traffic traffic;
  const auto seen = static_cast<double>(training.epoch(4, 2));
  std::printf(
      "{\"train\": \"%s\", \"precision\": \"%s\", \"texts\": \"%s\", \"pairs\": %lld, \"tokens\": %lld, "
      "\"tokens_per_second\": %.1f, \"tflops\": %.4g, \"flop_per_token\": %.0f, \"bytes_per_token\": %.0f, "
      "\"peak_bytes\": %lld}\n",
      shape.c_str(), precision.c_str(), name_of(lengths).c_str(), static_cast<long long>(pairs),
      static_cast<long long>(tokens), best, best * flop / 1e12, flop, traffic.total() / seen,
      static_cast<long long>(held));
}

void embed(const Place& place, const std::string& shape, const std::string& precision, const std::string& lengths) {
  const ModelSpec spec = shape_of(shape);
  const auto data = dataset_of(lengths, std::min<int64_t>(spec.encoder.vocab_size, 6000));
  Model model(spec, 1u);
  const int64_t texts = data->texts();
  std::vector<float> out(static_cast<size_t>(texts * spec.dimension()));
  double best = 0;
  for (int round = 0; round < 4; ++round) {
    const auto begin = Clock::now();
    vectune::embed(model, data->ids(), data->offsets(), texts, precision_of(precision), out.data(), place);
    if (round > 0) best = std::max(best, static_cast<double>(data->tokens()) / seconds_since(begin));
  }
  const double tokens = static_cast<double>(data->tokens()), flop = flop_of(spec, *data, 1.0) / tokens;
  const Traffic traffic;
  vectune::embed(model, data->ids(), data->offsets(), texts, precision_of(precision), out.data(), place);
  std::printf(
      "{\"embed\": \"%s\", \"precision\": \"%s\", \"texts\": \"%s\", \"tokens\": %.0f, \"tokens_per_second\": %.1f, "
      "\"texts_per_second\": %.1f, \"tflops\": %.4g, \"flop_per_token\": %.0f, \"bytes_per_token\": %.0f}\n",
      shape.c_str(), precision.c_str(), name_of(lengths).c_str(), tokens, best,
      best * static_cast<double>(texts) / tokens, best * flop / 1e12, flop, traffic.total() / tokens);
}

void profile(const Place& place, const std::string& shape, const std::string& precision, int64_t pairs,
             const std::string& lengths, const std::string& trace) {
  namespace profiler = torch::autograd::profiler;
  using torch::profiler::impl::ActivityType;
  Training training(place, shape, precision, pairs, lengths);
  training.epoch(0, 5);
  std::set<ActivityType> activities{ActivityType::CPU};
  if (place.cuda()) activities.insert(ActivityType::CUDA);
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  const int64_t tokens = training.epoch(1, 3);
  profiler::disableProfiler()->save(trace);
  std::printf("{\"profile\": \"%s\", \"precision\": \"%s\", \"steps\": 3, \"tokens\": %lld, \"trace\": \"%s\"}\n",
              shape.c_str(), precision.c_str(), static_cast<long long>(tokens), trace.c_str());
}

void run(const Place& place, const std::vector<std::string>& given) {
  const std::string kind = given.empty() ? "" : given[0];
  if (kind == "info" && given.size() == 1) info(place);
  else if (kind == "peak" && given.size() == 1) peak(place);
  else if (kind == "batch" && given.size() == 5)
    batch(place, given[1], given[2], std::stol(given[3]), std::stod(given[4]));
  else if (kind == "train" && given.size() == 5) train(place, given[1], given[2], std::stol(given[3]), given[4]);
  else if (kind == "embed" && given.size() == 4) embed(place, given[1], given[2], given[3]);
  else if (kind == "profile" && given.size() == 6)
    profile(place, given[1], given[2], std::stol(given[3]), given[4], given[5]);
  else
    throw std::invalid_argument(
        "gpu_bench <device> info | peak | batch | train | embed | profile, as the head of gpu_bench.cpp says");
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> given(arguments + std::min(count, 2), arguments + count);
  memory_budget::install();
  return EngineThread::instance().run([&] {
    try {
      const Place place = Place::parse(count > 1 ? arguments[1] : "");
      device::require(place);
      for (auto begin = given.begin();; ++begin) {
        const auto end = std::find(begin, given.end(), "+");
        run(place, {begin, end});
        begin = end;
        if (begin == given.end()) return 0;
      }
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
  });
}
