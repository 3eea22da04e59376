#include <chrono>
#include <cstring>

#include "check.h"

using vectune::test::Case;
using vectune::test::Registry;

/// Runs one test; an exception that leaves it is a failure. True where it was skipped.
static bool run(const Case& test) {
  Registry& registry = Registry::get();
  try {
    test.body();
  } catch (const vectune::test::TestSkipped& skipped) {
    std::printf("skipped %s: %s\n", test.name, skipped.reason.c_str());
    return registry.failures == 0;
  } catch (const vectune::test::TestEnded&) {
  } catch (const std::exception& error) {
    vectune::test::report(false, test.name, 0, std::string("left by an exception: ") + error.what());
  } catch (...) {
    vectune::test::report(false, test.name, 0, "left by an exception that is no std::exception");
  }
  if (registry.checks == 0) vectune::test::report(false, test.name, 0, "the test checked nothing");
  return false;
}

int main(int argc, char** argv) {
  Registry& registry = Registry::get();
  int passed = 0, failed = 0, skipped = 0, checks = 0;
  for (const Case& test : registry.cases) {
    bool chosen = argc == 1;
    for (int i = 1; i < argc; ++i) chosen = chosen || std::strstr(test.name, argv[i]) != nullptr;
    if (!chosen) continue;
    registry.checks = registry.failures = 0;
    const auto start = std::chrono::steady_clock::now();
    if (run(test)) {
      ++skipped;
      continue;
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    const bool ok = registry.failures == 0;
    std::printf("%s  %s (%d checks, %lld ms)\n", ok ? "ok    " : "FAILED", test.name, registry.checks,
                static_cast<long long>(ms.count()));
    std::fflush(stdout);
    ++(ok ? passed : failed);
    checks += registry.checks;
  }
  std::printf("%d passed, %d failed, %d skipped, %d checks\n", passed, failed, skipped, checks);
  if (passed + failed + skipped == 0) {
    std::printf("No test's name contains what was asked for.\n");
    return 1;
  }
  return failed == 0 ? 0 : 1;
}
