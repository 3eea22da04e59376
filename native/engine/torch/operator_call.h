#pragma once
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

namespace vectune::device {

/// One call of a LibTorch operator by its schema: arguments are given by name, those that are not given take the
/// schema's default, or None where their type allows it. So one source serves versions whose argument lists grew at the
/// end, and a name that this version does not have is an Error(kNative), not a call with shifted arguments.
class OperatorCall {
 public:
  explicit OperatorCall(const c10::OperatorHandle& handle);
  OperatorCall& set(const char* argument, c10::IValue value);
  /// The schema's results.
  std::vector<c10::IValue> run();

 private:
  c10::OperatorHandle handle_;
  std::vector<c10::IValue> stack_;
  std::vector<bool> given_;
};

/// The operator; Error(kNative) where this LibTorch has none of that name.
c10::OperatorHandle find_operator(const char* name, const char* overload = "");

}  // namespace vectune::device
