#include "embed/embed.h"

#include <utility>
#include <vector>

#include "embed/inference.h"
#include "files/safetensors.h"
#include "nn/texts.h"
#include "runtime/errors.h"

namespace vectune {

namespace {

/// A model's own: for the processor one of each precision, of devices the last.
struct Inferences final : Model::Attachment {
  struct Made {
    Place place;
    Precision precision;
    std::unique_ptr<Inference> inference;
  };
  std::vector<Made> all;

  static Inference& of(Model& model, const Place& place, Precision precision) {
    auto& attachment = model.attachment();
    if (!attachment) attachment = std::make_unique<Inferences>();
    auto& all = static_cast<Inferences&>(*attachment).all;
    for (const Made& made : all)
      if (made.place == place && made.precision == precision) return *made.inference;
    if (place.on_device()) std::erase_if(all, [](const Made& made) { return made.place.on_device(); });
    all.push_back({place, precision, make_inference(model, place, precision)});
    return *all.back().inference;
  }
};

void check_texts_fit(const Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts) {
  check_texts(ids, offsets[texts], offsets, texts, model.spec().encoder.architecture->is_bag);
  const int64_t longest = model.longest_text(), vocabulary = model.spec().encoder.vocab_size;
  for (int64_t t = 0; t < texts; ++t)
    if (offsets[t + 1] - offsets[t] > longest)
      throw Error(ErrorCode::kInvalidArgument, "Text " + std::to_string(t) + " has " +
                                                   std::to_string(offsets[t + 1] - offsets[t]) +
                                                   " tokens; the model has " + std::to_string(longest) + " positions.");
  for (int64_t i = 0; i < offsets[texts]; ++i)
    if (ids[i] >= vocabulary)
      throw Error(ErrorCode::kInvalidArgument, "Token " + std::to_string(ids[i]) + " is outside the vocabulary of " +
                                                   std::to_string(vocabulary) + ".");
}

}  // namespace

void embed(Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts, Precision precision, float* out,
           const Place& place, int64_t unpooled) {
  check_texts_fit(model, ids, offsets, texts);
  Inferences::of(model, place, precision).embed(model, ids, offsets, texts, unpooled, out);
}

void trace_forward(Model& model, const int32_t* ids, const int32_t* offsets, int64_t texts, const std::string& path,
                   Precision precision, const Place& place) {
  check_texts_fit(model, ids, offsets, texts);
  std::vector<std::pair<std::string, at::Tensor>> all;
  Inferences::of(model, place, place.on_device() ? precision : Precision::kFp32)
      .trace(model, ids, offsets, texts,
             [&](const std::string& name, const at::Tensor& values) { all.emplace_back(name, values.clone()); });
  std::vector<safetensors::Item> items;
  for (const auto& [name, values] : all)
    items.push_back({name, safetensors::Dtype::kF32, values.sizes().vec(), values.const_data_ptr<float>()});
  safetensors::write(path, items);
}

}  // namespace vectune
