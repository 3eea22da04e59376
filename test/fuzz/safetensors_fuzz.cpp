#include "files/safetensors.h"

#include <ATen/ops/empty.h>

#include "fuzz.h"
#include "memory_file.h"
#include "model/adapter.h"
#include "model/model.h"
#include "model/weights_file.h"
#include "runtime/errors.h"

using namespace vectune;
using fuzz::fail;
using fuzz::MemoryFile;
using fuzz::safetensors_of;
using namespace std::string_literals;

namespace {

const std::vector<std::string> kWords = {"\"dtype\":\"F32\"",
                                         "\"dtype\":\"BF16\"",
                                         "\"dtype\":\"U8\"",
                                         "\"dtype\":\"BOOL\"",
                                         "\"shape\":[",
                                         "\"data_offsets\":[",
                                         "\"__metadata__\":{",
                                         "\"format\":\"pt\"",
                                         "[0,0]",
                                         "[]",
                                         "[4294967296,4294967296]",
                                         "9223372036854775807",
                                         ",",
                                         "{",
                                         "}",
                                         "\"a\":",
                                         "\0"s};

/// The files that are handed out lie inside the file's bytes, and are read to their last.
uint64_t sum_of(const safetensors::File& file) {
  uint64_t sum = 0;
  for (const auto& entry : file.entries()) {
    int64_t elements = 1;
    for (const int64_t size : entry.shape) elements *= size;
    if (elements != entry.elements() || elements * safetensors::byte_size(entry.dtype) != entry.bytes) {
      fail("an entry whose shape is not that of its bytes");
    }
    for (int64_t i = 0; i < entry.bytes; ++i) sum = sum * 31 + static_cast<uint64_t>(entry.data[i]);
  }
  return sum;
}

ModelSpec small_spec() {
  ModelSpec spec;
  EncoderSpec& e = spec.encoder;
  e.architecture = &architecture("bert");
  e.vocab_size = 3, e.hidden_size = 2, e.layers = 1, e.heads = 1, e.intermediate_size = 2, e.positions = 3,
  e.type_vocab_size = 1;
  spec.head = {PoolingSpec{{PoolingMode::kMean}}, DenseSpec{2, 2, true, DenseActivation::kTanh}};
  return spec;
}

ModelSpec table_of_words() {
  ModelSpec spec;
  EncoderSpec& e = spec.encoder;
  e.architecture = &architecture("static-embedding");
  e.vocab_size = 3, e.hidden_size = 2, e.layers = 0, e.heads = 1, e.intermediate_size = 1, e.positions = 1 << 28;
  spec.head = {PoolingSpec{{PoolingMode::kMean}}};
  return spec;
}

ModuleFile file_of(int module, const MemoryFile& file) { return {module, file.path(), {}, {}}; }

/// A whole table of words as model2vec writes it: two rows for three words, each with a weight.
std::string table_input() {
  return "\0{\"embeddings\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,8]},"
         "\"mapping\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[8,32]},"
         "\"weights\":{\"dtype\":\"F64\",\"shape\":[3],\"data_offsets\":[32,56]}}\0"s +
         std::string(8, 'x') + "\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"s + std::string(24, '?');
}

/// A whole weights file of the small model's Dense, framed as an input.
std::string dense_input() {
  return "\0{\"linear.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
         "\"linear.bias\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[16,20]},"
         "\"more\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[20,23]}}\0"s +
         std::string(23, 'x');
}

}  // namespace

/// Refuses with kSafetensors, or reads what, written again, is read the same.
FUZZ(safetensors,
     (std::vector<std::string>{
         "\0{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}\0abcdefghijk"s,
         "\1\2\0\0\0\0\0\0\0{}"s, "\0{\"e\":{\"dtype\":\"I64\",\"shape\":[0,9],\"data_offsets\":[0,0]}}"s}),
     kWords) {
  const MemoryFile source(safetensors_of(input));
  try {
    const safetensors::File file(source.path());
    const uint64_t sum = sum_of(file);
    std::vector<safetensors::Item> items;
    for (const auto& entry : file.entries()) items.push_back({entry.name, entry.dtype, entry.shape, entry.data});
    const MemoryFile target;
    safetensors::write(target.path(), items, file.metadata());
    const safetensors::File again(target.path());
    if (again.entries().size() != file.entries().size() || again.metadata() != file.metadata()) {
      fail("what was written is read as something else");
    }
    for (const auto& entry : file.entries()) {
      const auto* same = again.find(entry.name);
      if (!same || same->shape != entry.shape || same->bytes != entry.bytes ||
          (entry.bytes > 0 && std::memcmp(same->data, entry.data, static_cast<size_t>(entry.bytes)) != 0)) {
        fail("tensor " + entry.name + " was not written as it was read");
      }
    }
    (void)sum;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kSafetensors) fail(std::string("an error of another code: ") + error.what());
  }
}

/// A file of another format, with places that whoever read it has found: refused with kSafetensors, or every tensor
/// lies in the file.
FUZZ(places,
     (std::vector<std::string>{"\2\0\11\0\2\2\3\1\12\10\1\4abcdefghijklmnopqrstuvwxyz0123456789"s,
                               "\1\0\6\0\1\0abcdefgh"s, "\3\0\1\0\0\0\2\1\1\1\1\0\3\4\1\1\0abcdefgh"s}),
     {"\xff\xff\xff\x7f"s, "\xf0"s, "\xf4"s, "\xf6"s}) {
  fuzz::Reader reader(input);
  std::vector<safetensors::Place> places;
  for (int count = reader.byte() % 6; count > 0; --count) {
    safetensors::Place place{std::string(1, static_cast<char>('a' + reader.byte() % 4)),
                             static_cast<safetensors::Dtype>(reader.byte() % 13),
                             {},
                             reader.size()};
    for (int sizes = reader.byte() % 5; sizes > 0; --sizes) place.shape.push_back(reader.size());
    places.push_back(std::move(place));
  }
  const MemoryFile source(reader.rest());
  try {
    const safetensors::File file(source.path(), places);
    if (file.entries().size() != places.size()) fail("places that are no entries");
    const uint64_t sum = sum_of(file);
    (void)sum;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kSafetensors) fail(std::string("an error of another code: ") + error.what());
  }
}

/// An adapter's file for a model: refused with kSafetensors, or merged.
FUZZ(adapter,
     (std::vector<std::string>{"\0{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                               "\"b\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[8,12]},"
                               "\"c\":{\"dtype\":\"BF16\",\"shape\":[3,2],\"data_offsets\":[12,24]}}\0"s +
                               std::string(24, '?')}),
     {"\"a\":", "\"b\":", "\"c\":", "\"dtype\":\"BF16\"", "\"dtype\":\"F16\"", "\"shape\":[1,3]", "\"shape\":[2,1]",
      "\"shape\":[0,2]", "\"data_offsets\":[0,8]"}) {
  static const ModelSpec spec = small_spec();
  static const ParameterTable table(spec);
  std::vector<float> flat(static_cast<size_t>(table.elements()));
  const MemoryFile source(safetensors_of(input));
  ModuleFile file = file_of(ModuleFile::kEncoder, source);
  file.adapter = Adapter{{{"encoder.layer.0.attention.self.query.weight", "a", "b", 0.5, false}},
                         {{"embeddings.word_embeddings.weight", "c"}}};
  try {
    merge_adapter(file, table, flat.data(), nullptr);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kSafetensors) fail(std::string("an error of another code: ") + error.what());
  }
}

/// A file of weights for a model: refused with kSafetensors, or every parameter is filled.
FUZZ(weights, (std::vector<std::string>{dense_input()}),
     {"linear.weight", "linear.bias", "\"dtype\":\"F16\"", "\"dtype\":\"F32\"", "\"shape\":[2,2]",
      "\"data_offsets\":[0,16]"}) {
  static const ModelSpec spec = small_spec();
  static const ParameterTable table(spec);
  const MemoryFile source(safetensors_of(input));
  at::Tensor flat = at::empty({table.elements()}, at::TensorOptions().dtype(at::kFloat));
  try {
    const auto read = read_weights({file_of(1, source)}, 1, table, flat.mutable_data_ptr<float>());
    const MemoryFile target;
    write_weights(target.path(), 1, table, flat.const_data_ptr<float>(), nullptr, read.unused, read.former_names);
    at::Tensor again = at::empty({table.elements()}, at::TensorOptions().dtype(at::kFloat));
    read_weights({file_of(1, target)}, 1, table, again.mutable_data_ptr<float>());
    for (const auto& parameter : table.all()) {
      if (parameter.module != 1) continue;
      if (std::memcmp(flat.const_data_ptr<float>() + parameter.offset, again.const_data_ptr<float>() + parameter.offset,
                      static_cast<size_t>(parameter.elements) * sizeof(float)) != 0) {
        fail(parameter.name + " was not written as it was read");
      }
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kSafetensors) fail(std::string("an error of another code: ") + error.what());
  }
}

/// A table of words, sentence-transformers' or model2vec's: refused with kSafetensors, or every row is filled.
FUZZ(table, (std::vector<std::string>{table_input()}),
     {"embeddings", "embedding.weight", "mapping", "weights", "\"dtype\":\"I32\"", "\"dtype\":\"U16\"",
      "\"dtype\":\"I8\"", "\"dtype\":\"BF16\"", "\"dtype\":\"F32\"", "\"shape\":[3]", "\"shape\":[2,2]",
      "\"shape\":[3,2]", "\"data_offsets\":[0,8]"}) {
  static const ModelSpec spec = table_of_words();
  static const ParameterTable parameters(spec);
  const MemoryFile source(safetensors_of(input));
  std::vector<float> flat(static_cast<size_t>(parameters.elements()));
  try {
    read_weights({file_of(ModuleFile::kEncoder, source)}, ModuleFile::kEncoder, parameters, flat.data());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kSafetensors) fail(std::string("an error of another code: ") + error.what());
  }
}
