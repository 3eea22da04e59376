#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/gemm.h"
#include "model/parameters.h"

namespace vectune::cpu {

/// What a product may use for a moment; the last two are quantised_product's.
struct LinearScratch {
  ProductScratch& products;
  std::byte* quantised = nullptr;
  float* scales = nullptr;
};

/// W [out × in] of a linear layer, in whatever form the processor multiplies by it; biases are the next kernel's. x
/// [rows × in] and y [rows × out] in T. Forms that are for inference only have no gradients: asking is an
/// Error(kNative).
template <typename T>
class Linear {
 public:
  Linear(int64_t in, int64_t out) : in_(in), out_(out) {}
  virtual ~Linear() = default;
  int64_t in() const { return in_; }
  int64_t out() const { return out_; }

  /// y = x·Wᵀ
  virtual void forward(const T* x, T* y, int64_t rows, const LinearScratch& scratch) const = 0;
  /// dx = dy·W
  virtual void input_gradient(const T* dy, T* dx, int64_t rows, ProductScratch& scratch) const;
  /// dx += dy·W
  virtual void add_input_gradient(const T* dy, float* dx, int64_t rows, ProductScratch& scratch) const;
  /// dW (+)= dyᵀ·x
  virtual void weight_gradient(const T* dy, const T* x, float* dw, int64_t rows, bool accumulate,
                               ProductScratch& scratch) const;

 private:
  int64_t in_, out_;
};

/// W as it is, row-major in T.
template <typename T>
class PlainLinear final : public Linear<T> {
 public:
  PlainLinear(const T* weight, int64_t in, int64_t out) : Linear<T>(in, out), weight_(weight) {}
  void forward(const T* x, T* y, int64_t rows, const LinearScratch& scratch) const override {
    Gemm<T>::forward(x, weight_, y, rows, this->in(), this->out(), scratch.products);
  }
  void input_gradient(const T* dy, T* dx, int64_t rows, ProductScratch& scratch) const override {
    Gemm<T>::input_gradient(dy, weight_, dx, rows, this->in(), this->out(), scratch);
  }
  void add_input_gradient(const T* dy, float* dx, int64_t rows, ProductScratch& scratch) const override {
    Gemm<T>::add_input_gradient(dy, weight_, dx, rows, this->in(), this->out(), scratch);
  }
  void weight_gradient(const T* dy, const T* x, float* dw, int64_t rows, bool accumulate,
                       ProductScratch& scratch) const override {
    Gemm<T>::weight_gradient(dy, x, dw, rows, this->in(), this->out(), accumulate, scratch);
  }

 private:
  const T* weight_;
};

/// The encoder's matrices, all in one form.
template <typename T>
class Matrices {
 public:
  virtual ~Matrices() = default;
  const Linear<T>& at(const LinearAt& linear) const { return *linears_[linear.number]; }

 protected:
  void add(std::unique_ptr<Linear<T>> linear) { linears_.push_back(std::move(linear)); }

 private:
  std::vector<std::unique_ptr<Linear<T>>> linears_;  // in the order of ParameterTable::linears
};

/// Views of weights that stand in the table's layout, from its offset `begin` on.
template <typename T>
class PlainMatrices final : public Matrices<T> {
 public:
  PlainMatrices(const ParameterTable& table, const T* weights, int64_t begin) {
    for (const LinearAt* l : table.linears())
      this->add(std::make_unique<PlainLinear<T>>(weights + (l->weight - begin), l->in, l->out));
  }
};

extern template class Linear<float>;
extern template class Linear<bf16>;

}  // namespace vectune::cpu
