#include "torch/operator_call.h"

#include <ATen/core/jit_type.h>

#include <utility>

#include "runtime/errors.h"

namespace vectune::device {

namespace {

/// Whether a value is of an argument's type; of the few kinds that are used here.
bool fits(const c10::IValue& value, const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::OptionalType:
      return value.isNone() || fits(value, *type.castRaw<c10::OptionalType>()->getElementType());
    case c10::TypeKind::TensorType: return value.isTensor();
    case c10::TypeKind::IntType: return value.isInt();
    case c10::TypeKind::FloatType: return value.isDouble();
    case c10::TypeKind::BoolType: return value.isBool();
    default: return false;
  }
}

}  // namespace

c10::OperatorHandle find_operator(const char* name, const char* overload) {
  const auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!found) throw Error(ErrorCode::kNative, std::string("This LibTorch has no operator ") + name + ".");
  return *found;
}

OperatorCall::OperatorCall(const c10::OperatorHandle& handle)
    : handle_(handle), stack_(handle.schema().arguments().size()), given_(stack_.size(), false) {}

OperatorCall& OperatorCall::set(const char* argument, c10::IValue value) {
  const auto& arguments = handle_.schema().arguments();
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].name() != argument) continue;
    stack_[i] = std::move(value);
    given_[i] = true;
    return *this;
  }
  throw Error(ErrorCode::kNative, "This LibTorch's " + handle_.schema().name() + " has no argument " + argument + ".");
}

std::vector<c10::IValue> OperatorCall::run() {
  const auto& arguments = handle_.schema().arguments();
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (given_[i]) {
      if (!fits(stack_[i], *arguments[i].type()))
        throw Error(ErrorCode::kNative, "The argument " + arguments[i].name() + " of " + handle_.schema().name() +
                                            " must be " + arguments[i].type()->str() + ".");
    } else if (arguments[i].default_value()) {
      stack_[i] = *arguments[i].default_value();
    } else if (arguments[i].type()->kind() != c10::TypeKind::OptionalType) {
      throw Error(ErrorCode::kNative, "The argument " + arguments[i].name() + " of this LibTorch's " +
                                          handle_.schema().name() + " is not known.");
    }
  }
  handle_.callBoxed(stack_);
  return std::move(stack_);
}

}  // namespace vectune::device
