#include "cpu/linear.h"

#include "runtime/errors.h"

namespace vectune::cpu {

namespace {

[[noreturn]] void refuse() { throw Error(ErrorCode::kNative, "These weights are in a form for inference only."); }

}  // namespace

template <typename T>
void Linear<T>::input_gradient(const T*, T*, int64_t, ProductScratch&) const {
  refuse();
}
template <typename T>
void Linear<T>::add_input_gradient(const T*, float*, int64_t, ProductScratch&) const {
  refuse();
}
template <typename T>
void Linear<T>::weight_gradient(const T*, const T*, float*, int64_t, bool, ProductScratch&) const {
  refuse();
}

template class Linear<float>;
template class Linear<bf16>;

}  // namespace vectune::cpu
