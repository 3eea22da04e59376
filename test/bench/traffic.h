#pragma once
// Bytes that LibTorch's operators read and write, for the roofline.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <string>

namespace vectune::bench {

/// Counts while it lives, on every thread: of each operator all operands once, in full. That is what goes through the
/// device's memory where nothing stays in its caches; views are free, and of tables only the rows that are asked for
/// count.
class Traffic {
 public:
  Traffic() {
    bytes() = 0;
    handle_ = at::addGlobalCallback(at::RecordFunctionCallback(&begin, &end)
                                        .needsInputs(true)
                                        .needsOutputs(true)
                                        .scopes({at::RecordScope::FUNCTION}));
  }
  ~Traffic() { at::removeCallback(handle_); }
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  double total() const { return bytes(); }

 private:
  /// An operator that others are called by: they are its own business.
  struct Call : at::ObserverContext {
    std::string name;
    bool counts = false, nests = false;
  };

  static double& bytes() {
    static double all = 0;
    return all;
  }
  static int& depth() {
    static thread_local int calls = 0;
    return calls;
  }

  static double size_of(const c10::IValue& value) {
    const auto of = [](const at::Tensor& t) {
      return t.defined() ? static_cast<double>(t.numel()) * static_cast<double>(t.element_size()) : 0.0;
    };
    if (value.isTensor()) return of(value.toTensor());
    double all = 0;
    if (value.isTensorList())
      for (const at::Tensor& t : value.toTensorVector()) all += of(t);
    return all;
  }

  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& f) {
    auto call = std::make_unique<Call>();
    const auto schema = f.operator_schema();
    if (!schema) return call;
    call->name = schema->name();
    // What returns a part of what it was given does nothing, or calls what does.
    const bool view = std::any_of(schema->returns().begin(), schema->returns().end(),
                                  [](const c10::Argument& r) { return r.alias_info() && !r.alias_info()->isWrite(); });
    if (view) return call;
    call->nests = true;
    call->counts = ++depth() == 1 && call->name.find("empty") == std::string::npos;
    if (!call->counts) return call;
    const auto inputs = f.inputs();
    const auto input = [&](size_t i) { return i < inputs.size() ? size_of(inputs[i]) : 0.0; };
    if (call->name == "aten::index_select") {
      bytes() += input(2);
    } else if (call->name == "aten::index_add_") {
      bytes() += input(2) + 3 * input(3);
    } else {
      const bool overwrites = call->name == "aten::zero_" || call->name == "aten::fill_" || call->name == "aten::copy_";
      const auto& arguments = schema->arguments();
      for (size_t i = 0; i < arguments.size(); ++i) {
        const bool written = arguments[i].alias_info() && arguments[i].alias_info()->isWrite();
        const bool read = !written || !(arguments[i].kwarg_only() || (overwrites && i == 0));
        bytes() += (read + written) * input(i);
      }
    }
    return call;
  }

  static void end(const at::RecordFunction& f, at::ObserverContext* context) {
    const auto* call = static_cast<const Call*>(context);
    if (!call->nests) return;
    --depth();
    if (!call->counts) return;
    const auto schema = f.operator_schema();
    const auto& outputs = f.outputs();
    for (size_t i = 0; i < outputs.size() && i < schema->returns().size(); ++i) {
      if (schema->returns()[i].alias_info()) continue;  // an operand that was counted
      bytes() += (call->name == "aten::index_select" ? 2 : 1) * size_of(outputs[i]);
    }
  }

  at::CallbackHandle handle_;
};

}  // namespace vectune::bench
