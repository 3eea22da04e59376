#include "train/trainer_state.h"

#include <algorithm>
#include <cstring>

#include "files/safetensors.h"
#include "runtime/arena.h"
#include "runtime/errors.h"

namespace vectune {

namespace {

constexpr const char *kWeights = "weights.", *kFirst = "first_moments.", *kSecond = "second_moments.",
                     *kCommitted = "committed.", *kBase = "base.", *kBlend = "blend";

class Reader {
 public:
  Reader(const std::string& path, const std::function<at::Tensor()>& of_model) : file_(path), of_model_(of_model) {}

  const safetensors::Entry& entry(const std::string& name, safetensors::Dtype dtype) const {
    const auto* found = file_.find(name);
    if (!found) fail("the tensor '" + name + "' is missing");
    if (found->dtype != dtype)
      fail("the tensor '" + name + "' must be " + safetensors::name(dtype) + ", found " +
           safetensors::name(found->dtype));
    return *found;
  }

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  template <typename T>
  std::vector<T> list(const std::string& name, safetensors::Dtype dtype) const {
    const auto& found = entry(name, dtype);
    std::vector<T> values(static_cast<size_t>(found.elements()));
    if (!values.empty()) std::memcpy(values.data(), found.data, static_cast<size_t>(found.bytes));
    return values;
  }

  at::Tensor flat(const std::string& prefix, const std::vector<TrainerState::Part>& parts, int64_t elements,
                  int64_t TrainerState::Part::* begin, bool of_loss = true) const {
    at::Tensor tensor = empty_floats(elements).zero_();
    for (const auto& part : parts) {
      if (part.*begin < 0 || (part.of_loss && !of_loss)) continue;
      if (part.moments_begin < 0 && !has(prefix + part.name)) {
        if (!frozen_.defined()) frozen_ = of_model_();
        std::copy_n(frozen_.const_data_ptr<float>() + part.begin, part.elements,
                    tensor.mutable_data_ptr<float>() + part.begin);
        continue;
      }
      const auto& found = entry(prefix + part.name, safetensors::Dtype::kF32);
      if (found.shape != part.shape) fail("the tensor '" + found.name + "' has another shape than the model's");
      std::memcpy(tensor.mutable_data_ptr<float>() + part.*begin, found.data, static_cast<size_t>(found.bytes));
    }
    return tensor;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kSafetensors, "Cannot restore from '" + file_.path() + "': " + what + ".");
  }

 private:
  safetensors::File file_;
  const std::function<at::Tensor()>& of_model_;
  mutable at::Tensor frozen_;  // what the model has of it
};

}  // namespace

Fingerprint TrainerState::write(const std::string& path, void (*go_on)()) const {
  std::vector<safetensors::Item> items;
  const auto add_flat = [&](const char* prefix, const at::Tensor& flat, int64_t Part::* begin, bool of_loss = true) {
    for (const auto& part : parts)
      if (part.*begin >= 0 && (!part.of_loss || of_loss))
        items.push_back(
            {prefix + part.name, safetensors::Dtype::kF32, part.shape, flat.const_data_ptr<float>() + part.*begin});
  };
  add_flat(kWeights, weights, &Part::begin);
  if (first_moments.defined()) {
    add_flat(kFirst, first_moments, &Part::moments_begin);
    add_flat(kSecond, second_moments, &Part::moments_begin);
  }
  if (has_committed()) add_flat(kCommitted, committed, &Part::begin, /*of_loss=*/false);
  const double blend[] = {committed_share, committed_blend, all_decay};
  if (base.defined()) {
    add_flat(kBase, base, &Part::begin);
    items.push_back({kBlend, safetensors::Dtype::kF64, {3}, blend});
  }
  const int64_t counts[] = {steps, committed_step};
  const auto size = [](const auto& list) { return std::vector<int64_t>{static_cast<int64_t>(list.size())}; };
  items.push_back({"counts", safetensors::Dtype::kI64, {2}, counts});
  items.push_back({"vocabulary", safetensors::Dtype::kI32, size(vocabulary), vocabulary.data()});
  items.push_back({"pending_decay", safetensors::Dtype::kF32, size(pending_decay), pending_decay.data()});
  items.push_back({"committed_decay", safetensors::Dtype::kF32, size(committed_decay), committed_decay.data()});
  if (!scaler.empty()) items.push_back({"scaler", safetensors::Dtype::kF32, size(scaler), scaler.data()});
  Fingerprint fingerprint;
  safetensors::write(path, items, {{"format", "pt"}}, [&](const void* data, size_t bytes) {
    go_on();
    fingerprint.add(data, bytes);
  });
  return fingerprint;
}

void TrainerState::read(const std::string& path, int64_t elements, int64_t moments,
                        const std::function<at::Tensor()>& of_model) {
  const Reader reader(path, of_model);
  const auto counts = reader.list<int64_t>("counts", safetensors::Dtype::kI64);
  if (counts.size() != 2 || counts[0] < 0 || counts[1] < -1 || counts[1] > counts[0])
    reader.fail("its counts cannot be");
  steps = counts[0];
  committed_step = counts[1];
  if (reader.list<int32_t>("vocabulary", safetensors::Dtype::kI32) != vocabulary)
    reader.fail("its texts use other tokens than this run's");
  pending_decay = reader.list<float>("pending_decay", safetensors::Dtype::kF32);
  committed_decay = reader.list<float>("committed_decay", safetensors::Dtype::kF32);
  scaler.clear();
  if (reader.has("scaler")) scaler = reader.list<float>("scaler", safetensors::Dtype::kF32);
  weights = reader.flat(kWeights, parts, elements, &Part::begin);
  if (steps > 0) {
    first_moments = reader.flat(kFirst, parts, moments, &Part::moments_begin);
    second_moments = reader.flat(kSecond, parts, moments, &Part::moments_begin);
  }
  if (reader.has(kBlend)) {
    const auto blend = reader.list<double>(kBlend, safetensors::Dtype::kF64);
    if (blend.size() != 3) reader.fail("its blend cannot be");
    committed_share = blend[0], committed_blend = blend[1], all_decay = blend[2];
    base = reader.flat(kBase, parts, elements, &Part::begin);
  }
  if (has_committed()) committed = reader.flat(kCommitted, parts, elements, &Part::begin, /*of_loss=*/false);
}

}  // namespace vectune
