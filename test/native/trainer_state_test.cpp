// What checkpoints stand on: checksums, the lock, the file thread, and a trainer's state on its way to a file and back.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <future>
#include <sstream>
#include <vector>

#include "check.h"
#include "files/file_lock.h"
#include "files/fingerprint.h"
#include "files/safetensors.h"
#include "pairs.h"
#include "runtime/engine_thread.h"
#include "runtime/file_thread.h"
#include "train/trainer.h"

using namespace vectune;

namespace {

std::string temporary(const char* name) {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder ? folder : "/tmp") + "/vectune-" + std::to_string(getpid()) + "-" + name;
}

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

uint64_t fingerprint(const std::string& bytes) {
  Fingerprint all;
  all.add(bytes.data(), bytes.size());
  return all.value();
}

void go_on() {}

ModelSpec spec_of() {
  ModelSpec spec;
  EncoderSpec& e = spec.encoder;
  e.architecture = &architecture("bert");
  e.vocab_size = 40;
  e.hidden_size = 16;
  e.layers = 2;
  e.heads = 2;
  e.intermediate_size = 20;
  e.positions = 32;
  e.type_vocab_size = 2;
  e.layer_norm_eps = 1e-5f;
  spec.head.push_back(PoolingSpec{{PoolingMode::kMean}});
  return spec;
}

/// Pairs of texts of `ids` tokens from `first` on.
std::shared_ptr<Dataset> dataset_of(int32_t ids, int32_t first = 0) {
  std::vector<int32_t> tokens, offsets{0};
  for (int32_t text = 0; text < 8; ++text) {
    for (int32_t i = 0; i < 3 + text % 3; ++i) tokens.push_back(first + (text * 7 + i * 3) % ids);
    offsets.push_back(static_cast<int32_t>(tokens.size()));
  }
  const std::vector<float> scores{0.0f, 1.0f, 0.5f, 0.25f};
  return tiny::pairs_of(tokens, offsets, scores);
}

const std::vector<int32_t> kRows{0, 1, 2, 3};

std::vector<float> weights_of(const Model& model) {
  return {model.data(), model.data() + model.parameters().elements()};
}

}  // namespace

TEST(a_fingerprint_does_not_depend_on_the_pieces) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes.push_back(static_cast<char>(i * 37 >> 2));
  for (const size_t piece : {1, 3, 7, 8, 31, 32, 33, 64, 999}) {
    Fingerprint pieces;
    for (size_t at = 0; at < bytes.size(); at += piece)
      pieces.add(bytes.data() + at, std::min(piece, bytes.size() - at));
    CHECK_EQ(pieces.value(), fingerprint(bytes));
  }
}

TEST(a_fingerprint_sees_each_bit_and_the_length) {
  std::string bytes(301, '\0');
  const uint64_t zeros = fingerprint(bytes);
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    CHECK(fingerprint(bytes) != zeros);
    bytes[bit / 8] = 0;
  }
  for (size_t length = 0; length < 300; ++length) CHECK(fingerprint(std::string(length, '\0')) != zeros);
}

TEST(a_file_has_the_fingerprint_of_its_bytes) {
  const std::string path = temporary("fingerprint");
  const std::string bytes(3'000'001, 'x');
  std::ofstream(path, std::ios::binary) << bytes;
  CHECK_EQ(fingerprint_of_file(path, &go_on).value(), fingerprint(bytes));
  std::remove(path.c_str());
  CHECK_THROWS_CODE(fingerprint_of_file(path, &go_on), ErrorCode::kFile);
}

TEST(a_lock_is_one_owners_and_ends_with_it) {
  const std::string path = temporary("lock");
  {
    const auto lock = FileLock::take(path);
    REQUIRE(lock.has_value());
    CHECK(content(path).find("\"pid\":" + std::to_string(getpid())) != std::string::npos);
    CHECK(!FileLock::take(path).has_value());
  }
  CHECK(FileLock::take(path).has_value());
  std::remove(path.c_str());
  CHECK_THROWS_CODE(FileLock::take(path + "/below"), ErrorCode::kFile);
}

TEST(the_file_thread_keeps_order_and_ends_jobs_that_ask) {
  FileThread& files = FileThread::instance();
  files.start();
  std::vector<int> order;
  std::promise<void> done, begun;
  for (int i = 0; i < 5; ++i) files.post([&, i] { order.push_back(i); });
  files.post([&] { done.set_value(); });
  done.get_future().wait();
  CHECK(order == (std::vector<int>{0, 1, 2, 3, 4}));

  bool aborted = false, dropped = true;
  files.post([&] {
    begun.set_value();
    try {
      for (;;) FileThread::check();
    } catch (const Error& error) {
      aborted = error.code() == ErrorCode::kAborted;
    }
  });
  begun.get_future().wait();
  files.post([&] { dropped = false; });
  files.stop();
  CHECK(aborted);
  CHECK(dropped);
  CHECK(!files.post([] {}));
  files.start();
  std::promise<void> again;
  CHECK(files.post([&] { again.set_value(); }));
  again.get_future().wait();
}

TEST(a_restored_trainer_goes_on_to_the_same_bits) {
  const std::string path = temporary("state");
  for (const auto precision : {Precision::kFp32, Precision::kBf16})
    for (const int committed : {0, 2, 3}) {
      auto data = dataset_of(20);  // half of the vocabulary is never used
      TrainerOptions options;
      options.precision = precision;
      options.weight_decay = 0.1;
      options.dropout = 0.2f;
      auto model = std::make_shared<Model>(spec_of(), 7u), second = std::make_shared<Model>(spec_of(), 7u);
      std::vector<float> at_file, restored;
      EngineThread::instance().run([&] {
        Trainer trainer(model, data, options);
        for (int step = 1; step <= 3; ++step) {
          trainer.step(kRows.data(), 4, 2, 1e-2 / step, 0);
          if (step == committed) trainer.commit();
        }
        trainer.copy_state();
        at_file = weights_of(*model);
        trainer.step(kRows.data(), 4, 2, 1e-3, 1);  // does not reach the copy
        const auto copy = trainer.take_copy();
        REQUIRE(copy != nullptr);
        CHECK(trainer.take_copy() == nullptr);
        const uint64_t sum = copy->write(path, &go_on).value();
        CHECK_EQ(sum, fingerprint(content(path)));
        trainer.commit();
      });
      EngineThread::instance().run([&] {
        Trainer trainer(second, data, options);
        trainer.restore(path, true);
        restored = weights_of(*second);
        CHECK_EQ(trainer.stats().steps, 3);
        trainer.step(kRows.data(), 4, 2, 1e-3, 1);
        trainer.commit();
      });
      CHECK(restored == at_file);
      CHECK(weights_of(*second) == weights_of(*model));
    }
  std::remove(path.c_str());
}

TEST(a_state_that_does_not_fit_changes_nothing) {
  const std::string path = temporary("state");
  EngineThread::instance().run([&] {
    Trainer trainer(std::make_shared<Model>(spec_of(), 7u), dataset_of(20), {});
    trainer.step(kRows.data(), 4, 2, 1e-2, 0);
    trainer.commit();
    trainer.step(kRows.data(), 4, 2, 1e-2, 0);
    trainer.state().write(path, &go_on);

    auto model = std::make_shared<Model>(spec_of(), 8u);
    const auto before = weights_of(*model);
    Trainer other(model, dataset_of(15), {});
    CHECK_THROWS_CODE(other.restore(path, true), ErrorCode::kSafetensors);
    Trainer shifted(model, dataset_of(20, 20), {});  // as many tokens, but others
    CHECK_THROWS_CODE(shifted.restore(path, true), ErrorCode::kSafetensors, "other tokens");
    ModelSpec deeper = spec_of();
    deeper.encoder.layers = 3;
    Trainer third(std::make_shared<Model>(deeper, 7u), dataset_of(20), {});
    CHECK_THROWS_CODE(third.restore(path, true), ErrorCode::kSafetensors);
    CHECK_EQ(other.stats().steps, 0);
    CHECK(weights_of(*model) == before);
  });
  std::remove(path.c_str());
}
