#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "losses/autograd.h"
#include "losses/data_check.h"
#include "losses/loss.h"
#include "losses/options.h"
#include "losses/precision.h"

namespace vectune {

namespace {

/// sentence-transformers' SoftmaxLoss (Reimers & Gurevych 2019): rows of two texts u, v and their class, or a share of
/// each class. A classifier of its own, trained beside the model,
///   L = mean −Σ_class share · log softmax(W [u; v; |u − v|; u·v] + b)
/// Options: concatenation_sent_rep true (u and v), concatenation_sent_difference true (|u − v|),
/// concatenation_sent_multiplication false (u·v, by dimension); num_labels, by default one more than the largest class.
/// Parameters: classifier.weight [num_labels × features], classifier.bias. Separable.
class Softmax final : public Loss {
 public:
  explicit Softmax(LossOptions& options) {
    if (options.value("num_labels")) {
      const double labels = options.number("num_labels", 2.0, 2.0, 1e6);
      if (labels != std::floor(labels)) options.refuse("num_labels", "a whole number");
      labels_ = static_cast<int64_t>(labels);
    }
    texts_ = options.flag("concatenation_sent_rep", true);
    difference_ = options.flag("concatenation_sent_difference", true);
    product_ = options.flag("concatenation_sent_multiplication", false);
    if (!texts_ && !difference_ && !product_)
      options.refuse("concatenation_sent_rep",
                     "true where concatenation_sent_difference and concatenation_sent_multiplication are false");
  }

  bool separable() const override { return true; }

  void check(const LossData& data) const override {
    const DataCheck needs("softmax", data);
    needs.texts(2, 2, "two texts");
    if (data.rows == 0) return;
    if (data.label_width <= 1) {
      needs.labels(1, "one label of each row, its class");
      const auto most = static_cast<float>(labels_of(data));
      needs.values([most](float y) { return y == std::floor(y) && y >= 0.0f && y < most; },
                   "classes that are whole numbers from 0 to " + std::to_string(labels_of(data) - 1));
      if (labels_of(data) < 2) needs.refuse("two classes at least, or the option num_labels");
      return;
    }
    if (labels_of(data) != data.label_width)
      needs.refuse("the share of each of " + std::to_string(labels_of(data)) + " classes in each row, but there are " +
                   std::to_string(data.label_width) + " numbers of each row");
    needs.values([](float share) { return share >= 0.0f && share <= 1.0f; }, "shares of classes from 0 to 1");
    for (int64_t row = 0; row < data.rows; ++row) {
      double sum = 0;
      for (int64_t i = 0; i < data.label_width; ++i) sum += double{data.labels[row * data.label_width + i]};
      if (std::abs(sum - 1.0) > 1e-3)
        needs.refuse("shares of classes that add up to 1, but those of row " + std::to_string(row) + " add up to " +
                     std::to_string(sum));
    }
  }

  std::vector<LossParameter> parameters(const LossData& data) const override {
    return linear_parameters("classifier", ((texts_ ? 2 : 0) + difference_ + product_) * data.dimension,
                             labels_of(data));
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    return by_autograd_of_columns(vectors, rows, [&](const at::Tensor& columns, const LossTensors& own) {
      const at::Tensor u = columns.select(1, 0), v = columns.select(1, 1);
      std::vector<at::Tensor> features;
      if (texts_) features = {u, v};
      if (difference_) features.push_back(at::abs(u - v));
      if (product_) features.push_back(u * v);
      const at::Tensor logs = at::log_softmax(
          at::addmm(own.at("classifier.bias"), at::cat(features, 1), own.at("classifier.weight").t()), 1);
      const at::Tensor told = rows.labels.size(1) == 1 ? at::sum(at::gather(logs, 1, rows.labels.to(at::kLong)))
                                                       : at::sum(logs * wide(rows.labels));
      return -told / static_cast<double>(rows.in_step);
    });
  }

 private:
  int64_t labels_of(const LossData& data) const {
    if (labels_) return *labels_;
    if (data.label_width != 1) return data.label_width;
    return data.rows == 0 ? 0 : static_cast<int64_t>(*std::max_element(data.labels, data.labels + data.rows)) + 1;
  }

  std::optional<int64_t> labels_;
  bool texts_, difference_, product_;
};

}  // namespace

std::unique_ptr<Loss> make_softmax(LossOptions& options) { return std::make_unique<Softmax>(options); }

}  // namespace vectune
