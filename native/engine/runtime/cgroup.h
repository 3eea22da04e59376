#pragma once
#include <cstdint>
#include <optional>
#include <string>

/// What the process's control group (Linux cgroup v2, or v1) allows it. Every group from the process's own
/// up to the mount's root counts: the tightest wins. `root` stands before every path read, so that tests can
/// show a file tree of their own.
namespace vectune::cgroup {

/// Bytes left under the memory limit, reclaimable page cache counted as free; nullopt without a limit.
std::optional<int64_t> memory_left(const std::string& root = "");

/// CPUs of the quota (quota / period), e.g. 1.5; nullopt without a quota.
std::optional<double> cpu_quota(const std::string& root = "");

}  // namespace vectune::cgroup
