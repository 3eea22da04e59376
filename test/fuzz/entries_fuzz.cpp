// What the binding hands to the engine after checking types only: sizes, offsets, rows.
#include <cmath>
#include <optional>

#include "embed/embed.h"
#include "fuzz.h"
#include "model/model.h"
#include "runtime/errors.h"
#include "runtime/memory_budget.h"
#include "train/dataset.h"
#include "train/trainer.h"

using namespace vectune;
using fuzz::fail;
using fuzz::Reader;
using namespace std::string_literals;

namespace {

constexpr int64_t kLimit = 64 << 20;

/// Runs `work`; true where it was refused as an argument that cannot be.
template <typename Work>
bool refused(Work work) {
  try {
    work();
    return false;
  } catch (...) {
    const Error error = current_error();
    if (error.code() == ErrorCode::kInvalidArgument || error.code() == ErrorCode::kOutOfMemory) return true;
    fail(std::string("an error of another code: ") + error.what());
  }
}

std::shared_ptr<Model> small_model() {
  static const auto model = [] {
    memory_budget::install();
    ModelSpec spec;
    EncoderSpec& e = spec.encoder;
    e.architecture = &architecture("roberta");
    e.vocab_size = 40, e.hidden_size = 16, e.layers = 1, e.heads = 2, e.intermediate_size = 16, e.positions = 34;
    e.type_vocab_size = 1, e.position_offset = 2, e.pad_id = 1;
    spec.head = {PoolingSpec{{PoolingMode::kCls, PoolingMode::kMax, PoolingMode::kMean}}, NormalizeSpec{}};
    return std::make_shared<Model>(spec, 5u);
  }();
  return model;
}

std::vector<int32_t> numbers(Reader& reader, size_t count) {
  std::vector<int32_t> list(count);
  for (auto& n : list) n = static_cast<int32_t>(reader.size());
  return list;
}

/// Lengths as bytes: offsets that fit, one of them changed where the input says so.
std::vector<int32_t> offsets_of(Reader& reader, size_t texts, size_t& tokens) {
  std::vector<int32_t> offsets{0};
  for (size_t i = 0; i < texts; ++i) offsets.push_back(offsets.back() + 1 + reader.byte() % 40);
  tokens = static_cast<size_t>(offsets.back());
  if (reader.byte() % 4 == 0) offsets[reader.byte() % offsets.size()] = static_cast<int32_t>(reader.size());
  if (reader.byte() % 8 == 0) tokens = reader.byte();
  return offsets;
}

ModelSpec any_spec(Reader& reader) {
  ModelSpec spec;
  EncoderSpec& e = spec.encoder;
  e.architecture = architectures()[reader.byte() % architectures().size()];
  for (int64_t* size : {&e.vocab_size, &e.hidden_size, &e.layers, &e.heads, &e.intermediate_size, &e.positions,
                        &e.type_vocab_size, &e.position_offset}) {
    *size = reader.size();
  }
  e.hidden_activation = static_cast<HiddenActivation>(reader.byte() % 3);
  e.hidden_dropout = static_cast<float>(reader.byte()) / 200;
  for (int modules = reader.byte() % 4; modules > 0; --modules) {
    switch (reader.byte() % 3) {
      case 0: {
        PoolingSpec pooling;
        for (int modes = reader.byte() % 5; modes > 0; --modes) {
          pooling.modes.push_back(static_cast<PoolingMode>(reader.byte() % 4));
        }
        spec.head.push_back(pooling);
        break;
      }
      case 1: spec.head.push_back(DenseSpec{reader.size(), reader.size(), reader.byte() % 2 == 0}); break;
      case 2: spec.head.push_back(NormalizeSpec{}); break;
    }
  }
  return spec;
}

}  // namespace

/// Texts to embed: refused, or one finite vector each.
FUZZ(embed, (std::vector<std::string>{"\2\3\4\1\1\5\6\7\x08\x09"s, "\1\x20\1\1\1"s, "\0\1\1"s}),
     {"\xff\xff\xff\x7f"s}) {
  Reader reader(input);
  const size_t texts = reader.byte() % 8;
  size_t tokens = 0;
  const auto offsets = offsets_of(reader, texts, tokens);
  const auto ids = numbers(reader, tokens);
  const auto precision = reader.byte() % 2 ? Precision::kBf16 : Precision::kFp32;
  const auto model = small_model();
  const bool bad = refused([&] {
    check_texts(ids.data(), static_cast<int64_t>(ids.size()), offsets.data(), static_cast<int64_t>(texts), false);
    if (texts == 0) return;
    std::vector<float> out(texts * static_cast<size_t>(model->spec().dimension()), NAN);
    vectune::embed(*model, ids.data(), offsets.data(), static_cast<int64_t>(texts), precision, out.data());
    for (const float x : out) {
      if (!std::isfinite(x)) fail("a vector that is not finite");
    }
  });
  (void)bad;
}

/// A data set and rows of it: every function of a trainer refuses, or gives numbers; then it still trains.
FUZZ(rows, (std::vector<std::string>{"\2\3\4\5\6\1\1\1\2\3\4\5\6\7\x08\2\1\0\1\2\3"s}),
     {"\xff\xff\xff\x7f"s, "\0\0\0\0"s}) {
  Reader reader(input);
  const size_t pairs = 1 + reader.byte() % 4;
  size_t tokens = 0;
  const size_t texts = 2 * pairs - (reader.byte() % 16 == 0 ? 1 : 0);
  const auto offsets = offsets_of(reader, texts, tokens);
  const auto ids = numbers(reader, tokens);
  std::vector<int32_t> columns, row_offsets{0};
  for (size_t row = 0; row < pairs; ++row) {
    const bool odd = reader.byte() % 16 == 0;
    for (int column = odd ? reader.byte() % 4 : 2; column > 0; --column)
      columns.push_back(reader.byte() % 16 == 0 ? static_cast<int32_t>(reader.size())
                                                : static_cast<int32_t>(reader.byte() % texts));
    row_offsets.push_back(static_cast<int32_t>(columns.size()));
  }
  if (reader.byte() % 16 == 0) row_offsets[reader.byte() % row_offsets.size()] = static_cast<int32_t>(reader.size());
  std::vector<float> scores(pairs + (reader.byte() % 16 == 0 ? 1 : 0), 0.5f);
  if (reader.byte() % 16 == 0) scores[0] = NAN;
  const auto model = small_model();
  std::shared_ptr<Dataset> dataset;
  std::unique_ptr<Trainer> trainer;
  if (refused([&] {
        dataset =
            std::make_shared<Dataset>(PackedTexts{ids.data(), static_cast<int64_t>(ids.size()), offsets.data(),
                                                  static_cast<int64_t>(offsets.size()) - 1},
                                      PackedRows{columns.data(), static_cast<int64_t>(columns.size()),
                                                 row_offsets.data(), static_cast<int64_t>(row_offsets.size()) - 1},
                                      PackedLabels{scores.data(), static_cast<int64_t>(scores.size())});
        TrainerOptions options;
        options.memory_limit = kLimit;
        trainer = std::make_unique<Trainer>(model, dataset, options);
      })) {
    return;
  }
  for (int calls = 0; calls < 4 && !reader.done(); ++calls) {
    const auto rows = numbers(reader, 1 + reader.byte() % 6);
    const auto count = static_cast<int64_t>(rows.size());
    const int64_t micro_batch = 1 + reader.byte() % 8;
    std::vector<float> out(rows.size());  // a pair has one similarity
    switch (reader.byte() % 3) {
      case 0:
        refused([&] {
          if (!std::isfinite(trainer->step(rows.data(), count, micro_batch, 1e-4, 0).loss))
            fail("a loss that is not finite");
        });
        break;
      case 1: refused([&] { trainer->evaluate(rows.data(), count, micro_batch, micro_batch, out.data()); }); break;
      case 2: refused([&] { trainer->probe(rows.data(), count); }); break;
    }
  }
  const int32_t first = 0;
  const double loss = trainer->step(&first, 1, 1, 1e-4, 0).loss;
  if (!std::isfinite(loss)) fail("the trainer does not train any more");
}

/// Sizes of a model: refused, or a model of these sizes, inside the limit of memory.
FUZZ(spec,
     (std::vector<std::string>{"\0\x14\x08\1\2\x10\x20\2\0\0\0\1\0\1\2"s,
                               "\1\x14\x08\1\2\x10\x20\0\0\0\0\2\0\1\0\1\x08\3\1"s}),
     {"\xf0"s, "\xf5"s, "\xf8"s}) {
  memory_budget::install();
  Reader reader(input);
  const ModelSpec spec = any_spec(reader);
  memory_budget::ScopedLimit limit(kLimit);
  refused([&] {
    const Model model(spec, 1u);
    int64_t elements = 0;
    for (const auto& parameter : model.parameters().all()) {
      if (parameter.elements <= 0 || parameter.offset != elements)
        fail(parameter.name + " does not follow the one before it");
      elements += parameter.elements;
    }
    if (elements != model.parameters().elements()) fail("parameters that do not fill their buffer");
  });
}
