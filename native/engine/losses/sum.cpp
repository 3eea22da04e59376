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
      parts_.push_back({std::to_string(i) + ".", weight, make_loss(options.loss(place, &loss))});
      if (parts_.back().loss->sees_layers() || parts_.back().loss->given())
        options.refuse(place, "a loss that sees the last layer alone; adaptive-layer goes around sum");
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

  /// Under the part's number: 1.classifier.weight.
  std::vector<LossParameter> parameters(const LossData& data) const override {
    std::vector<LossParameter> all;
    for (const Part& part : parts_)
      for (LossParameter parameter : part.loss->parameters(data)) {
        parameter.name = part.prefix + parameter.name;
        all.push_back(std::move(parameter));
      }
    return all;
  }

  LossValue of(const at::Tensor& vectors, const LossRows& rows) const override {
    LossValue sum;
    for (const Part& part : parts_) {
      LossRows of_part = rows;
      of_part.parameters.clear();
      for (const auto& [name, values] : rows.parameters)
        if (name.starts_with(part.prefix)) of_part.parameters[name.substr(part.prefix.size())] = values;
      const LossValue value = part.loss->of(vectors, of_part);
      const at::Tensor loss = value.loss * part.weight, gradient = value.gradient * part.weight;
      sum.loss = sum.loss.defined() ? sum.loss + loss : loss;
      sum.gradient = sum.gradient.defined() ? sum.gradient + gradient : gradient;
      for (const auto& [name, of_parameter] : value.of_parameters)
        sum.of_parameters[part.prefix + name] = of_parameter * part.weight;
    }
    return sum;
  }

 private:
  struct Part {
    std::string prefix;  // of its parameters
    double weight;
    std::unique_ptr<Loss> loss;
  };
  std::vector<Part> parts_;
};

}  // namespace

std::unique_ptr<Loss> make_sum(LossOptions& options) { return std::make_unique<Sum>(options); }

}  // namespace vectune
