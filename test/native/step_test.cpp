// A step's two phases: groups that share texts, losses that couple the batch, and memory that ends in the middle.
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "coupled_loss.h"
#include "gradients.h"
#include "runtime/engine_thread.h"
#include "runtime/memory_budget.h"
#include "tiny_device.h"

using namespace vectune;
using namespace vectune::tiny;

namespace {

ModelSpec spec_with_dense() {
  return spec_of("bert", {DenseSpec{24, 10, true, DenseActivation::kTanh}}, {PoolingMode::kMean});
}

/// Seven pairs over nine texts, some of which several rows name, once both columns of one row.
std::shared_ptr<Dataset> shared_texts(int64_t vocab) {
  const auto apart = dataset_of({5, 9, 1, 17, 33, 2, 40, 8, 12, 3}, vocab);
  const std::vector<int32_t> columns{0, 1, 2, 1, 3, 4, 5, 5, 0, 6, 7, 8, 1, 2};
  const std::vector<int32_t> offsets{0, 2, 4, 6, 8, 10, 12, 14};
  const std::vector<float> scores{0.0f, 1.0f, 0.5f, 0.9f, 0.25f, 0.75f, 0.1f};
  return std::make_shared<Dataset>(PackedTexts{apart->ids(), apart->tokens(), apart->offsets(), apart->texts()},
                                   PackedRows{columns.data(), 14, offsets.data(), 7}, PackedLabels{scores.data(), 7});
}

TrainerOptions coupled_options(const Place& place, float dropout) {
  TrainerOptions options = options_of(place, Precision::kFp32, dropout);
  options.losses = {coupled_spec()};
  return options;
}

at::Tensor coupled_oracle(const oracle::Forward& forward, const Dataset& data, const std::vector<int32_t>& rows,
                          const DropoutPlan& plan) {
  return coupled(forward.column(data, rows, 0, plan), forward.column(data, rows, 1, plan), 5);
}

/// All gradients in one vector.
std::vector<float> gradients(const ModelSpec& spec, const std::shared_ptr<Dataset>& data, const TrainerOptions& options,
                             const std::vector<int32_t>& rows, MicroBatch micro_batch, double* loss) {
  const std::string path = temporary("step-gradients");
  EngineThread::instance().run([&] {
    Trainer trainer(lively_model(spec), data, options);
    *loss = trainer.trace_gradients(rows.data(), static_cast<int64_t>(rows.size()), micro_batch, path);
  });
  std::vector<float> all;
  const safetensors::File file(path);
  for (const auto& entry : file.entries()) {
    const size_t at = all.size();
    all.resize(at + static_cast<size_t>(entry.bytes) / sizeof(float));
    std::memcpy(all.data() + at, entry.data, static_cast<size_t>(entry.bytes));
  }
  std::remove(path.c_str());
  return all;
}

double relative_distance(const std::vector<float>& a, const std::vector<float>& b) {
  double off = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    off += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{b[i]} * b[i];
  }
  return std::sqrt(off / size);
}

const std::vector<int32_t> kSeven{0, 1, 2, 3, 4, 5, 6};

}  // namespace

TEST(gradients_of_rows_that_share_texts_are_autograds) {
  const ModelSpec spec = spec_with_dense();
  for (const float dropout : {0.0f, 0.2f})
    for (const int64_t micro_batch : {1, 3, 7})
      compare_with_autograd(spec, options_of({}, Precision::kFp32, dropout), {dropout, dropout, dropout, 5, 0},
                            micro_batch, shared_texts(spec.encoder.vocab_size), &oracle::Forward::loss);
  for (const int64_t micro_batch : {1, 3, 7})
    compare_with_autograd(spec, options_of(kTensors), {}, micro_batch, shared_texts(spec.encoder.vocab_size),
                          &oracle::Forward::loss);
}

TEST(gradients_of_a_loss_over_the_batch_are_autograds) {
  const ModelSpec spec = spec_with_dense();
  for (const float dropout : {0.0f, 0.2f})
    for (const int64_t micro_batch : {1, 3, 7})
      compare_with_autograd(spec, coupled_options({}, dropout), {dropout, dropout, dropout, 5, 0}, micro_batch,
                            shared_texts(spec.encoder.vocab_size), &coupled_oracle);
  for (const int64_t micro_batch : {1, 3, 7})
    compare_with_autograd(spec, coupled_options(kTensors, 0.0f), {}, micro_batch, shared_texts(spec.encoder.vocab_size),
                          &coupled_oracle);
}

TEST(a_loss_over_the_batch_does_not_depend_on_the_split) {
  const ModelSpec spec = plain_spec();
  const auto data = shared_texts(spec.encoder.vocab_size);
  for (const Place& place : {Place{}, kTensors})
    for (const float dropout : {0.0f, 0.2f}) {
      if (place.on_device() && dropout > 0) continue;  // there masks are a function of the place in the step too
      double whole_loss = 0, loss = 0;
      const auto whole = gradients(spec, data, coupled_options(place, dropout), kSeven, 7, &whole_loss);
      CHECK(gradients(spec, data, coupled_options(place, dropout), kSeven, 100, &loss) == whole);
      CHECK_EQ(loss, whole_loss);
      for (const int64_t micro_batch : {1, 3}) {
        const auto parts = gradients(spec, data, coupled_options(place, dropout), kSeven, micro_batch, &loss);
        // Products of a few rows are rounded in another way: by so much do gradients of any loss differ.
        CHECK(relative_distance(parts, whole) < (micro_batch == 1 ? 5e-6 : 1e-6));
        CHECK(std::abs(loss - whole_loss) < 1e-6 * whole_loss);
        CHECK(gradients(spec, data, coupled_options(place, dropout), kSeven, micro_batch, &loss) == parts);
      }
    }
}

TEST(a_device_replays_the_masks_of_a_loss_over_the_batch) {
  // Were the second forward under other masks, the gradient would not be that of the loss: a step along it of a length
  // at which the loss is as good as linear would change it by something else than the length times its square.
  const ModelSpec spec = spec_with_dense();
  const auto data = shared_texts(spec.encoder.vocab_size);
  double loss = 0, again = 0;
  const auto parts = gradients(spec, data, coupled_options(kTensors, 0.3f), kSeven, 3, &loss);
  CHECK(gradients(spec, data, coupled_options(kTensors, 0.3f), kSeven, 3, &again) == parts);
  CHECK_EQ(loss, again);
  EngineThread::instance().run([&] {
    double square = 0;
    for (const float g : parts) square += double{g} * g;
    const double length = 1e-3 / square;  // the loss is to fall by 1e-3
    auto model = lively_model(spec);
    const std::string path = temporary("step-along");
    {
      Trainer trainer(model, data, coupled_options(kTensors, 0.3f));
      trainer.trace_gradients(kSeven.data(), 7, 3, path);
    }
    const safetensors::File file(path);
    for (const auto& p : model->parameters().all()) {
      const auto* entry = file.find(p.name);
      REQUIRE(entry != nullptr);
      const auto* g = reinterpret_cast<const float*>(entry->data);
      for (int64_t i = 0; i < p.elements; ++i) model->data()[p.offset + i] -= static_cast<float>(length) * g[i];
    }
    model->weights_changed();
    Trainer trainer(model, data, coupled_options(kTensors, 0.3f));
    const double after = trainer.trace_gradients(kSeven.data(), 7, 3, path);
    CHECK(std::abs((loss - after) / 1e-3 - 1.0) < 0.05);
    std::remove(path.c_str());
  });
}

TEST(memory_that_ends_anywhere_in_a_step_leaves_it_to_be_done_again_to_the_same_bits) {
  const ModelSpec spec = spec_with_dense();
  const auto data = shared_texts(spec.encoder.vocab_size);
  for (const Place& place : {Place{}, kTensors})
    for (const bool over_the_batch : {false, true}) {
      TrainerOptions options =
          over_the_batch ? coupled_options(place, 0.2f) : options_of(place, Precision::kFp32, 0.2f);
      const auto after_a_step = [&](int64_t failing, bool* failed, bool* reached) {
        auto model = lively_model(spec);
        return EngineThread::instance().run([&] {
          Trainer trainer(model, data, options);
          memory_budget::fail_nth_allocation(failing);
          try {
            trainer.step(kSeven.data(), 7, 3, 1e-3, 0);
          } catch (...) {
            *failed = true;
            CHECK(current_error().code() == ErrorCode::kOutOfMemory);
          }
          *reached = memory_budget::allocations_since() >= failing;
          memory_budget::fail_nth_allocation(0);
          CHECK_EQ(trainer.stats().steps, *failed ? 0 : 1);
          if (*failed) trainer.step(kSeven.data(), 7, 3, 1e-3, 0);
          trainer.commit();
          return weights_of(*model);
        });
      };
      bool failed = false, reached = false;
      const auto expected = after_a_step(0, &failed, &reached);
      CHECK(!failed);
      int64_t failures = 0, survived = 0;
      // A device's step takes memory some hundred times: each of the first, then some of them.
      for (int64_t nth = 1;; nth += 1 + (place.on_device() ? nth / 4 : 0)) {
        failed = false;
        const bool same = after_a_step(nth, &failed, &reached) == expected;
        if (!reached) break;
        CHECK(same);
        ++(failed ? failures : survived);
      }
      CHECK(failures > 10);
      // Out of memory in a loss over the batch, what its parts keep makes room and it goes on. (Of a device's few are
      // tried.)
      CHECK(over_the_batch ? survived > (place.on_device() ? 0 : 3) : survived == 0);
    }
}

namespace {

/// MultipleNegativesRanking that tells how far a step has come.
class Watched final : public Loss {
 public:
  explicit Watched(LossOptions&) : loss_(make_loss({"multiple-negatives-ranking", {}})) {}
  bool separable() const override { return false; }
  void check(const LossData& data) const override { loss_->check(data); }
  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    ++entered;
    allocations_before = memory_budget::allocations_since();
    const LossValue value = loss_->of(vectors, rows);
    allocations_after = memory_budget::allocations_since();
    ++left;
    return value;
  }
  static inline int entered = 0, left = 0;
  static inline int64_t allocations_before = 0, allocations_after = 0;

 private:
  std::unique_ptr<Loss> loss_;
};

/// 256 pairs of texts of 1 to 24 tokens, every eighth of which shares its first text with the one before.
std::shared_ptr<Dataset> many_pairs(int64_t vocab, const std::vector<float>& scores = {}) {
  std::vector<int> lengths;
  for (int i = 0; i < 512; ++i) lengths.push_back(1 + i * 7 % 24);
  const auto apart = dataset_of(lengths, vocab);
  std::vector<int32_t> columns, offsets{0};
  for (int32_t row = 0; row < 256; ++row) {
    const int32_t first = row % 8 == 7 ? row - 1 : row;
    columns.insert(columns.end(), {2 * first, 2 * row + 1});
    offsets.push_back(2 * (row + 1));
  }
  return std::make_shared<Dataset>(
      PackedTexts{apart->ids(), apart->tokens(), apart->offsets(), apart->texts()},
      PackedRows{columns.data(), 512, offsets.data(), 256},
      PackedLabels{scores.empty() ? nullptr : scores.data(), static_cast<int64_t>(scores.size())});
}

std::vector<int32_t> first_rows(int32_t count) {
  std::vector<int32_t> rows;
  for (int32_t row = 0; row < count; ++row) rows.push_back(row);
  return rows;
}

}  // namespace

TEST(ranking_of_256_rows_has_the_same_gradient_whatever_is_computed_at_once) {
  const ModelSpec spec = spec_with_dense();
  const auto data = many_pairs(spec.encoder.vocab_size);
  const auto rows = first_rows(256);
  for (const auto& [place, dropout] : {std::pair{Place{}, 0.2f}, {Place{}, 0.0f}, {kTensors, 0.0f}}) {
    TrainerOptions options = options_of(place, Precision::kFp32, dropout);
    options.losses = {{"multiple-negatives-ranking", {}}};
    double whole_loss = 0, loss = 0;
    const auto whole = gradients(spec, data, options, rows, 256, &whole_loss);
    // By rows, by tokens, and by what is reached first; of the last two budgets one is less than any row has.
    for (const MicroBatch& micro_batch : {MicroBatch(64), MicroBatch(16), MicroBatch(100), MicroBatch(256, 1000),
                                          MicroBatch(256, 77), MicroBatch(16, 200), MicroBatch(256, 1)}) {
      const auto parts = gradients(spec, data, options, rows, micro_batch, &loss);
      if (!CHECK(relative_distance(parts, whole) < 1e-6))
        std::printf("    by %d, %.0f tokens: %.2g\n", static_cast<int>(micro_batch.rows),
                    static_cast<double>(micro_batch.tokens), relative_distance(parts, whole));
      CHECK(std::abs(loss - whole_loss) < 1e-6 * whole_loss);
    }
    // A budget that all fit in is none, and of one that nothing fits in each row has its turn.
    CHECK(gradients(spec, data, options, rows, MicroBatch(256, int64_t{1} << 40), &loss) == whole);
    CHECK(gradients(spec, data, options, rows, MicroBatch(256, 1), &loss) ==
          gradients(spec, data, options, rows, 1, &loss));
  }
}

TEST(a_separable_loss_takes_the_memory_of_enough_tokens_however_many_a_step_has) {
  const ModelSpec spec = spec_with_dense();
  std::vector<float> scores;
  for (int i = 0; i < 256; ++i) scores.push_back(static_cast<float>(i % 5) / 4);
  const auto data = many_pairs(spec.encoder.vocab_size, scores);
  const auto rows = first_rows(256);
  int64_t tokens = 0;
  const auto rows_of_step = [&](const char* loss, MicroBatch micro_batch, bool whole = false) {
    TrainerOptions options = options_of(Place{}, Precision::kFp32, 0.2f);
    options.losses = {{loss, {}}};
    options.whole_steps = whole;
    return EngineThread::instance().run([&] {
      Trainer trainer(lively_model(spec), data, options);
      tokens = trainer.step(rows.data(), 256, micro_batch, 1e-3, 0).tokens;
      return trainer.stats().workspace_rows;
    });
  };
  const int64_t parts = rows_of_step("cosine-mse", 256), rounding = 16;
  CHECK(tokens > 5000);
  CHECK(parts <= 1536 + rounding);
  CHECK(parts > 1000);  // in as few parts as can be
  CHECK(rows_of_step("cosent", 256) >= 5000);
  CHECK(rows_of_step("cosine-mse", 256, true) >= 5000);
  CHECK(rows_of_step("cosine-mse", 8, true) <= 8 * 48 + rounding);
  // What is asked for is not exceeded.
  CHECK(rows_of_step("cosine-mse", MicroBatch(256, 500)) <= 500 + rounding);
  CHECK(rows_of_step("cosine-mse", 8) <= 8 * 48 + rounding);

  for (const float dropout : {0.0f, 0.2f}) {
    TrainerOptions options = options_of(Place{}, Precision::kFp32, dropout);
    double loss = 0, one_by_one_loss = 0;
    const auto enough = gradients(spec, data, options, rows, 256, &loss);
    const auto one_by_one = gradients(spec, data, options, rows, 1, &one_by_one_loss);
    CHECK(relative_distance(enough, one_by_one) < 1e-6);
    CHECK(std::abs(loss - one_by_one_loss) < 1e-6 * one_by_one_loss);
  }
}

TEST(memory_that_ends_in_either_phase_or_in_the_loss_is_met_by_a_smaller_part_of_the_same_step) {
  add_loss("watched", [](LossOptions& options) -> std::unique_ptr<Loss> { return std::make_unique<Watched>(options); });
  const ModelSpec spec = spec_with_dense();
  const auto data = many_pairs(spec.encoder.vocab_size);
  const auto rows = first_rows(64);
  for (const Place& place : {Place{}, kTensors}) {
    TrainerOptions options = options_of(place, Precision::kFp32, place.on_device() ? 0.0f : 0.2f);
    options.losses = {{"watched", {}}};
    int in_first = 0, in_loss = 0, in_second = 0;
    int64_t allocations = 0;
    const auto after_a_step = [&](int64_t failing) {
      auto model = lively_model(spec);
      return EngineThread::instance().run([&] {
        Trainer trainer(model, data, options);
        Watched::entered = Watched::left = 0;
        memory_budget::fail_nth_allocation(failing);
        bool failed = false;
        try {
          trainer.step(rows.data(), 64, 16, 1e-3, 0);
        } catch (...) {
          failed = true;
          CHECK(current_error().code() == ErrorCode::kOutOfMemory);
        }
        allocations = memory_budget::allocations_since();
        memory_budget::fail_nth_allocation(0);
        if (Watched::entered == 2) ++in_loss;  // it was done again in the room of what the passes had kept
        else if (failed) ++(Watched::left == 0 ? in_first : in_second);
        CHECK_EQ(trainer.stats().steps, failed ? 0 : 1);
        if (failed) trainer.step(rows.data(), 64, 8, 1e-3, 0);
        CHECK_EQ(trainer.stats().steps, 1);
        trainer.commit();
        return weights_of(*model);
      });
    };
    constexpr int64_t kNever = int64_t{1} << 40;
    const auto before = weights_of(*lively_model(spec)), expected = after_a_step(kNever);
    const int64_t loss_begins = Watched::allocations_before, loss_ends = Watched::allocations_after, all = allocations;
    double moved = 0;
    for (size_t i = 0; i < before.size(); ++i) moved += std::abs(double{expected[i]} - before[i]);
    std::vector<int64_t> failing{1, 2, loss_begins / 2, loss_begins};
    for (int64_t nth = loss_begins + 1; nth <= loss_ends; nth += 5) failing.push_back(nth);
    for (const int64_t nth : {loss_ends + 1, (loss_ends + all) / 2, all}) failing.push_back(nth);
    for (const int64_t nth : failing) {
      const auto found = after_a_step(nth);
      double off = 0;
      for (size_t i = 0; i < found.size(); ++i) off += std::abs(double{found[i]} - expected[i]);
      if (!CHECK(off < 1e-2 * moved)) std::printf("    %d: %.2g\n", static_cast<int>(nth), off / moved);
    }
    CHECK(in_first > 0);
    CHECK(in_loss > 0);
    CHECK(in_second > 0);
  }
}

TEST(a_loss_over_the_batch_is_evaluated_in_batches_of_training) {
  const ModelSpec spec = spec_with_dense();
  const auto data = shared_texts(spec.encoder.vocab_size);
  for (const Place& place : {Place{}, kTensors})
    EngineThread::instance().run([&] {
      Trainer coupled(lively_model(spec), data, coupled_options(place, 0.2f));
      const auto loss_of = [](Trainer& trainer, std::vector<int32_t> rows, int64_t micro_batch, int64_t batch) {
        std::vector<float> similarities(rows.size());
        return trainer.evaluate(rows.data(), static_cast<int64_t>(rows.size()), micro_batch, batch,
                                similarities.data());
      };
      const double first = loss_of(coupled, {0, 1, 2}, 3, 3), second = loss_of(coupled, {3, 4, 5}, 3, 3),
                   last = loss_of(coupled, {6}, 3, 3), whole = loss_of(coupled, kSeven, 7, 7);
      CHECK_EQ(last, 0.0);  // nothing to tell apart
      const double mean = (3 * first + 3 * second) / 7;
      CHECK(std::abs(whole - mean) > 1e-3);
      for (const int64_t micro_batch : {1, 2, 3, 7})
        CHECK(std::abs(loss_of(coupled, kSeven, micro_batch, 3) - mean) < 1e-6);
      CHECK_EQ(loss_of(coupled, kSeven, 2, 3), loss_of(coupled, kSeven, 2, 3));
      // One that is separable is the same whatever the batch.
      Trainer separable(lively_model(spec), data, options_of(place));
      CHECK(std::abs(loss_of(separable, kSeven, 7, 7) - loss_of(separable, kSeven, 2, 3)) < 1e-6);
    });
}

TEST(memory_of_an_evaluation_does_not_grow_with_its_rows) {
  const ModelSpec spec = plain_spec();
  const auto data = dataset_of(std::vector<int>(2048, 2), spec.encoder.vocab_size);
  EngineThread::instance().run([&] {
    TrainerOptions options = options_of({});
    options.losses = {{"multiple-negatives-ranking", {}}};
    Trainer trainer(lively_model(spec), data, options);
    std::vector<int32_t> rows(1024);
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
    const auto peak = [&](int64_t count, int64_t batch) {
      std::vector<float> similarities(static_cast<size_t>(count));
      const int64_t before = memory_budget::in_use();
      memory_budget::reset_peak();
      trainer.evaluate(rows.data(), count, 16, batch, similarities.data());
      return memory_budget::peak() - before;
    };
    peak(64, 64);  // what is made once is there then
    const int64_t few = peak(64, 64), many = peak(1024, 64);
    CHECK(many < few + 64 * 1024);  // a similarity of each row, and nothing of their square
    CHECK(peak(1024, 1024) > 2 * many);
  });
}

TEST(a_text_has_the_same_mask_in_whatever_batch_it_is) {
  // Two rows of the same texts, alone and together: with masks by text the loss of both is the mean of each.
  const ModelSpec spec = spec_with_dense();
  const auto data = shared_texts(spec.encoder.vocab_size);
  const TrainerOptions options = options_of({}, Precision::kFp32, 0.3f);
  double first = 0, second = 0, both = 0;
  gradients(spec, data, options, {0}, 1, &first);
  gradients(spec, data, options, {4}, 1, &second);
  gradients(spec, data, options, {0, 4}, 2, &both);
  CHECK(std::abs((first + second) / 2 - both) < 1e-7);
}

TEST(gradients_and_moments_are_of_what_is_trained_alone) {
  const ModelSpec spec = spec_with_dense();
  const auto data = shared_texts(spec.encoder.vocab_size);
  for (const auto& [place, precision] : {std::pair{Place{}, Precision::kFp32},
                                         {Place{}, Precision::kBf16},
                                         {kTensors, Precision::kFp32},
                                         {kTensors, Precision::kBf16}}) {
    // Bytes that a trainer has once it has taken a step, but for buffers of passes.
    const auto held = [&, place = place, precision = precision](const std::vector<std::string>& freeze, int64_t* told) {
      return EngineThread::instance().run([&] {
        auto model = lively_model(spec);
        TrainerOptions options = options_of(place, precision);
        options.freeze = freeze;
        const int64_t before = memory_budget::in_use();
        Trainer trainer(model, data, options);
        trainer.step(kSeven.data(), 7, 3, 1e-3, 0);
        *told = trainer.stats().bytes;
        std::vector<float> similarities(7);
        trainer.evaluate(kSeven.data(), 7, 7, 7, similarities.data());
        const int64_t workspace = trainer.stats().workspace_bytes;
        return memory_budget::in_use() - before - workspace;
      });
    };
    int64_t told_all = 0, told_last = 0;
    const int64_t all = held({}, &told_all), last = held({"embeddings", "encoder.layer.0", "head"}, &told_last);
    int64_t frozen = 0;
    Model model(spec, 7u);
    for (const auto& p : model.parameters().all())
      if (!p.name.starts_with("encoder.layer.1."))
        frozen += p.name.ends_with("word_embeddings.weight") ? 0 : p.elements;
    CHECK(frozen > 3000);
    CHECK(told_all - told_last >= 12 * frozen);
    // Both moments and gradients, and in bf16 the gradients as products write them; allocations are rounded.
    CHECK(all - last >= told_all - told_last);
    CHECK(all - last < (told_all - told_last) * 5 / 4 + 4096);
  }
}

TEST(what_is_trained_gets_the_gradients_that_it_gets_beside_all_else) {
  const ModelSpec spec = spec_with_dense();
  const auto data = shared_texts(spec.encoder.vocab_size);
  const std::string path = temporary("step-frozen");
  const std::vector<std::vector<std::string>> frozen{
      {"embeddings", "encoder.layer.0", "head"},
      {"embeddings.word_embeddings", "encoder.layer.1.attention.self.key", "encoder.layer.0.output.LayerNorm"},
      {"embeddings.position_embeddings", "embeddings.LayerNorm", "encoder.layer.1.intermediate", "head.1.linear.bias"},
      {"encoder.layer.1", "embeddings.token_type_embeddings", "encoder.layer.0.attention.self.query.weight"},
  };
  for (const auto& [place, precision] : {std::pair{Place{}, Precision::kFp32},
                                         {Place{}, Precision::kBf16},
                                         {kTensors, Precision::kFp32},
                                         {kTensors, Precision::kBf16}})
    for (const int64_t micro_batch : {7, 3}) {
      const auto traced = [&, place = place, precision = precision](const std::vector<std::string>& freeze) {
        TrainerOptions options = options_of(place, precision);
        options.freeze = freeze;
        EngineThread::instance().run([&] {
          Trainer trainer(lively_model(spec), data, options);
          trainer.trace_gradients(kSeven.data(), 7, micro_batch, path);
        });
        std::map<std::string, std::vector<char>> all;
        const safetensors::File file(path);
        for (const auto& entry : file.entries()) {
          const char* bytes = reinterpret_cast<const char*>(entry.data);
          all.emplace(entry.name, std::vector<char>(bytes, bytes + entry.bytes));
        }
        return all;
      };
      const auto whole = traced({});
      for (const auto& freeze : frozen) {
        const auto part = traced(freeze);
        CHECK(part.size() < whole.size());
        for (const auto& [name, bytes] : part)
          if (!CHECK(bytes == whole.at(name))) std::printf("  %s\n", name.c_str());
      }
    }
  std::remove(path.c_str());
}

TEST(a_frozen_run_goes_on_from_its_state_to_the_same_bits) {
  const ModelSpec spec = spec_with_dense();
  const auto data = shared_texts(spec.encoder.vocab_size);
  const std::string path = temporary("step-frozen-state");
  for (const Place& place : {Place{}, kTensors}) {
    TrainerOptions options = options_of(place, Precision::kFp32, 0.1f);
    options.freeze = {"embeddings.word_embeddings", "encoder.layer.0.attention.self.key", "head"};
    options.weight_decay = 0.1;
    auto through = lively_model(spec), resumed = lively_model(spec);
    EngineThread::instance().run([&] {
      Trainer trainer(through, data, options);
      trainer.step(kSeven.data(), 7, 3, 1e-3, 0);
      trainer.state().write(path, [] {});
      trainer.step(kSeven.data(), 7, 3, 1e-3, 0);
      trainer.commit();
    });
    EngineThread::instance().run([&] {
      Trainer trainer(resumed, data, options);
      trainer.restore(path, true);
      trainer.step(kSeven.data(), 7, 3, 1e-3, 0);
      trainer.commit();
    });
    CHECK(weights_of(*through) == weights_of(*resumed));
    const safetensors::File file(path);
    CHECK(file.find("first_moments.encoder.layer.1.attention.self.key.weight") != nullptr);
    CHECK(file.find("first_moments.encoder.layer.0.attention.self.key.weight") == nullptr);
    CHECK(file.find("second_moments.head.1.linear.weight") == nullptr);
    CHECK(file.find("weights.head.1.linear.weight") != nullptr);
  }
  std::remove(path.c_str());
}
