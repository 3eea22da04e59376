#pragma once
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "files/json.h"
#include "losses/loss.h"

namespace vectune {

/// The options of a loss as they were given. Each is read by its name, and `finish` refuses what nobody read, so that
/// nothing is accepted and ignored. Errors are kInvalidArgument and name the option.
class LossOptions {
 public:
  LossOptions(std::string loss, json::Object given) : loss_(std::move(loss)), given_(std::move(given)) {}

  double number(const std::string& name, double otherwise, double least, double most);
  bool flag(const std::string& name, bool otherwise);
  /// One of `choices`.
  std::string word(const std::string& name, const std::string& otherwise, std::initializer_list<const char*> choices);
  /// A number above 0, from 1e-6 to 1e6.
  double positive(const std::string& name, double otherwise);
  /// A list of at least one number; empty where it was not given.
  std::vector<double> numbers(const std::string& name, double least, double most);
  /// A list of some of `choices`, each once; `otherwise` where it was not given.
  std::vector<std::string> words(const std::string& name, const std::vector<std::string>& otherwise,
                                 std::initializer_list<const char*> choices);
  /// A loss within a loss, {"name": …, OPTION: …}, of which `given` is the value; `name` is for errors.
  LossSpec loss(const std::string& name, const json::Value* given) const;
  /// A number within a list or a loss; `name` is for errors.
  double number_of(const std::string& name, const json::Value& given, double least, double most) const;
  /// Null where it was not given.
  const json::Value* value(const std::string& name);
  [[noreturn]] void refuse(const std::string& name, const std::string& expected) const;

  void finish() const;

 private:
  std::string word_of(const std::string& name, const json::Value& given,
                      std::initializer_list<const char*> choices) const;

  std::string loss_;
  json::Object given_;
  std::set<std::string> read_;
};

}  // namespace vectune
