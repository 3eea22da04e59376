#include <ATen/TensorOperators.h>

#include <algorithm>
#include <vector>

#include "losses/loss.h"
#include "losses/options.h"

namespace vectune {

namespace {

/// Several losses of the same rows,  L = Σ weight · loss.  Option: losses, a list of {"name": …, OPTION: …,
/// "weight": 1}. Separable where each of them is.
class Sum final : public Loss {
 public:
  explicit Sum(LossOptions& options) {
    const json::Value* given = options.value("losses");
    const auto* list = given ? given->get<json::Array>() : nullptr;
    if (!list || list->empty()) options.refuse("losses", "a list of at least one loss");
    for (size_t i = 0; i < list->size(); ++i) {
      const std::string place = "losses[" + std::to_string(i) + "]";
      json::Value loss = (*list)[i];
      double weight = 1.0;
      if (auto* members = std::get_if<json::Object>(&loss.data)) {
        const auto found =
            std::find_if(members->begin(), members->end(), [](const auto& member) { return member.name == "weight"; });
        if (found != members->end()) {
          weight = options.number_of(place + ".weight", found->value, 0.0, 1e6);
          members->erase(found);
        }
      }
      parts_.push_back({weight, make_loss(options.loss(place, &loss))});
    }
  }

  bool separable() const override {
    return std::all_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.loss->separable(); });
  }

  bool labels_are_vectors() const override {
    return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.loss->labels_are_vectors(); });
  }

  void check(const LossData& data) const override {
    for (const Part& part : parts_) part.loss->check(data);
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    LossValue sum;
    for (const Part& part : parts_) {
      const LossValue value = part.loss->of(vectors, rows);
      const at::Tensor loss = value.loss * part.weight, gradient = value.gradient * part.weight;
      sum = sum.loss.defined() ? LossValue{sum.loss + loss, sum.gradient + gradient} : LossValue{loss, gradient};
    }
    return sum;
  }

 private:
  struct Part {
    double weight;
    std::unique_ptr<Loss> loss;
  };
  std::vector<Part> parts_;
};

}  // namespace

std::unique_ptr<Loss> make_sum(LossOptions& options) { return std::make_unique<Sum>(options); }

}  // namespace vectune
