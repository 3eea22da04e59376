#include "cpu/packed_matrices.h"

#include <algorithm>
#include <vector>

#include "cpu/kernels.h"
#include "model/fp32_weights.h"

namespace vectune::cpu {

namespace {

template <typename T>
class PackedLinear final : public Linear<T> {
 public:
  PackedLinear(const T* packed, int64_t in, int64_t out) : Linear<T>(in, out), packed_(packed) {}
  void forward(const T* x, T* y, int64_t rows, const LinearScratch&) const override {
    Gemm<T>::forward_packed(x, packed_, y, rows, this->in(), this->out());
  }

 private:
  const T* packed_;
};

}  // namespace

template <typename T>
bool PackedMatrices<T>::suits(const ParameterTable& table) {
  const auto linears = table.linears();
  return std::all_of(linears.begin(), linears.end(), [](const LinearAt* l) { return Gemm<T>::packs(l->in, l->out); });
}

template <typename T>
PackedMatrices<T>::PackedMatrices(const Model& model) {
  const auto linears = model.parameters().linears();
  std::vector<T*> packed(linears.size());
  arena_.carve([&](Arena::Carver& carver) {
    for (const LinearAt* l : linears) packed[l->number] = carver.take<T>(kernels::packed_elements(l->in, l->out));
  });
  Fp32Weights weights(model);
  if constexpr (std::is_same_v<T, float>) {
    for (const LinearAt* l : linears)
      Gemm<T>::pack(weights.at(l->weight, l->in * l->out), l->in, l->out, packed[l->number]);
  } else {
    int64_t largest = 0;
    for (const LinearAt* l : linears) largest = std::max(largest, l->in * l->out);
    Arena rounded;
    rounded.carve([&](Arena::Carver& carver) { carver.take<T>(largest); });
    T* const matrix = static_cast<T*>(rounded.data());
    for (const LinearAt* l : linears) {
      kernels::table().common.to_bf16(matrix, weights.at(l->weight, l->in * l->out), l->in * l->out);
      Gemm<T>::pack(matrix, l->in, l->out, packed[l->number]);
    }
  }
  for (const LinearAt* l : linears) this->add(std::make_unique<PackedLinear<T>>(packed[l->number], l->in, l->out));
}

template class PackedMatrices<float>;
template class PackedMatrices<bf16>;

}  // namespace vectune::cpu
