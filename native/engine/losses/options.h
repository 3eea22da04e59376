#pragma once
#include <initializer_list>
#include <set>
#include <string>

#include "files/json.h"

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
  /// Null where it was not given: for lists and for a loss within a loss.
  const json::Value* value(const std::string& name);
  [[noreturn]] void refuse(const std::string& name, const std::string& expected) const;

  void finish() const;

 private:
  std::string loss_;
  json::Object given_;
  std::set<std::string> read_;
};

}  // namespace vectune
