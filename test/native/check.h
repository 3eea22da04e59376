#pragma once
#include <c10/util/Logging.h>  // so that its CHECK is there before ours, whatever else a test includes

#include <cstdio>
#include <exception>
#include <functional>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "runtime/errors.h"

/// A small registry of tests for the engine, without Node.
///
///   TEST(reads_an_empty_file) { CHECK_EQ(size(), 0); }
///
/// A failed check is printed with its file and line, counted, and the test goes on; REQUIRE ends the test.
/// `main.cpp` runs all tests, or those whose name contains one of its arguments.
namespace vectune::test {

struct Case {
  const char* name;
  void (*body)();
};

struct Registry {
  std::vector<Case> cases;
  int checks = 0;
  int failures = 0;

  static Registry& get() {
    static Registry registry;
    return registry;
  }
  static bool add(const char* name, void (*body)()) {
    get().cases.push_back({name, body});
    return true;
  }
};

/// Ends the running test; the failure is already counted.
struct TestEnded {};

/// Ends the running test without a verdict.
struct TestSkipped {
  std::string reason;
};

inline bool report(bool ok, const char* file, int line, const std::string& what) {
  Registry& registry = Registry::get();
  ++registry.checks;
  if (!ok) {
    ++registry.failures;
    std::printf("    FAILED %s:%d: %s\n", file, line, what.c_str());
  }
  return ok;
}

template <typename T, typename = void>
struct Printable : std::false_type {};
template <typename T>
struct Printable<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<const T&>())>> : std::true_type {
};

template <typename T>
std::string text(const T& value) {
  std::ostringstream out;
  out.precision(17);
  if constexpr (Printable<T>::value) out << value;
  else if constexpr (std::is_enum_v<T>) out << "enumerator " << static_cast<long long>(value);
  else out << "(a value that cannot be printed)";
  return out.str();
}

template <typename A, typename B>
bool check_equal(const A& a, const B& b, const char* code_a, const char* code_b, const char* file, int line) {
  const bool ok = a == b;
  return report(ok, file, line,
                ok ? "" : std::string(code_a) + " == " + code_b + ", found " + text(a) + " and " + text(b));
}

/// Passes where `body` throws vectune::Error of that code whose message contains `part`.
inline void check_throws(const std::function<void()>& body, ErrorCode code, const std::string& part, const char* source,
                         const char* file, int line) {
  try {
    body();
  } catch (const Error& error) {
    report(
        error.code() == code, file, line,
        std::string(source) + " threw code " + text(error.code()) + ", expected " + text(code) + ": " + error.what());
    report(std::string(error.what()).find(part) != std::string::npos, file, line,
           std::string(source) + " threw \"" + error.what() + "\", expected it to contain \"" + part + "\"");
    return;
  } catch (const std::exception& error) {
    report(false, file, line, std::string(source) + " threw another class: " + error.what());
    return;
  }
  report(false, file, line, std::string(source) + " did not throw");
}

}  // namespace vectune::test

#define TEST(name)                                                 \
  static void vectune_test_##name();                               \
  [[maybe_unused]] static const bool vectune_added_##name =        \
      ::vectune::test::Registry::add(#name, &vectune_test_##name); \
  static void vectune_test_##name()

#undef CHECK  // c10 has one that ends the process
#define CHECK(...) ::vectune::test::report(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__)
#define CHECK_EQ(a, b) ::vectune::test::check_equal((a), (b), #a, #b, __FILE__, __LINE__)
#define REQUIRE(...)                                          \
  if (!CHECK(__VA_ARGS__)) throw ::vectune::test::TestEnded { \
    }

/// Ends a test that this machine cannot run; the reason is printed and the test counted as skipped.
#define SKIP(reason) \
  throw ::vectune::test::TestSkipped { reason }

/// CHECK_THROWS_CODE(expression, ErrorCode::kFile) or, with a part of the message, (…, code, "part").
#define CHECK_THROWS_CODE(expression, ...) VECTUNE_CHECK_THROWS(expression, __VA_ARGS__, "", )
#define VECTUNE_CHECK_THROWS(expression, code, part, ...) \
  ::vectune::test::check_throws([&] { expression; }, code, part, #expression, __FILE__, __LINE__)
