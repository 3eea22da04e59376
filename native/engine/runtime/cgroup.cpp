#include "runtime/cgroup.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

namespace vectune::cgroup {
namespace {

struct Group {
  bool v2;
  std::vector<std::string> folders;  // the process's group first, then its ancestors inside the mount
};

bool lists(const std::string& comma_separated, const std::string& word) {
  std::istringstream in(comma_separated);
  for (std::string item; std::getline(in, item, ',');) {
    if (item == word) return true;
  }
  return false;
}

// Path of the process's group for a v1 controller, or (controller empty) in the v2 hierarchy, from
// /proc/self/cgroup's lines "id:controllers:path".
std::optional<std::string> group_path(const std::string& root, const std::string& controller) {
  std::ifstream in(root + "/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : lists(controllers, controller)) return line.substr(second + 1);
  }
  return std::nullopt;
}

struct Mount {
  std::string root, point;  // the group shown at the mount point, and the mount point
};

// /proc/self/mountinfo: "id parent major:minor root point options … - type source super-options".
std::optional<Mount> find_mount(const std::string& root, const std::string& controller) {
  std::ifstream in(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::string before = line.substr(0, dash), behind = line.substr(dash + 3);
    std::istringstream left(before), right(behind);
    std::string id, parent, device, type, source, options;
    Mount mount;
    left >> id >> parent >> device >> mount.root >> mount.point;
    right >> type >> source >> options;
    if (controller.empty() ? type == "cgroup2" : type == "cgroup" && lists(options, controller)) return mount;
  }
  return std::nullopt;
}

std::optional<Group> find_group(const std::string& root, const std::string& controller) {
  for (const bool v2 : {false, true}) {
    const std::string wanted = v2 ? "" : controller;
    const auto path = group_path(root, wanted);
    const auto mount = find_mount(root, wanted);
    if (!path || !mount) continue;
    // The mount may show only a part of the hierarchy; a group outside that part is seen at its top.
    std::string inside = *path;
    if (mount->root != "/") {
      const bool below = inside.rfind(mount->root, 0) == 0 &&
                         (inside.size() == mount->root.size() || inside[mount->root.size()] == '/');
      inside = below ? inside.substr(mount->root.size()) : "";
    }
    Group group{v2, {}};
    for (; inside.size() > 1; inside = inside.substr(0, inside.rfind('/'))) {
      group.folders.push_back(root + mount->point + inside);
    }
    group.folders.push_back(root + mount->point);
    return group;
  }
  return std::nullopt;
}

std::optional<int64_t> read_number(const std::string& path) {
  std::ifstream in(path);
  int64_t value;
  if (in >> value) return value;  // "max" is no number: no limit
  return std::nullopt;
}

int64_t read_statistic(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  std::string name;
  for (int64_t value; in >> name >> value;) {
    if (name == key) return value;
  }
  return 0;
}

}  // namespace

std::optional<int64_t> memory_left(const std::string& root) {
  const auto group = find_group(root, "memory");
  if (!group) return std::nullopt;
  std::optional<int64_t> tightest;
  for (const std::string& folder : group->folders) {
    const auto limit = read_number(folder + (group->v2 ? "/memory.max" : "/memory.limit_in_bytes"));
    const auto usage = read_number(folder + (group->v2 ? "/memory.current" : "/memory.usage_in_bytes"));
    // v1 writes "no limit" as the largest multiple of the page size.
    if (!limit || !usage || *limit > std::numeric_limits<int64_t>::max() / 2) continue;
    const int64_t cache = read_statistic(folder + "/memory.stat", group->v2 ? "inactive_file" : "total_inactive_file");
    const int64_t left = std::max<int64_t>(0, *limit - std::max<int64_t>(0, *usage - cache));
    tightest = std::min(tightest.value_or(left), left);
  }
  return tightest;
}

std::optional<double> cpu_quota(const std::string& root) {
  const auto group = find_group(root, "cpu");
  if (!group) return std::nullopt;
  std::optional<double> tightest;
  for (const std::string& folder : group->folders) {
    double quota = -1, period = -1;
    if (group->v2) {
      std::ifstream in(folder + "/cpu.max");
      if (!(in >> quota >> period)) continue;  // "max 100000": no quota
    } else {
      quota = static_cast<double>(read_number(folder + "/cpu.cfs_quota_us").value_or(-1));
      period = static_cast<double>(read_number(folder + "/cpu.cfs_period_us").value_or(-1));
    }
    if (quota <= 0 || period <= 0) continue;
    tightest = std::min(tightest.value_or(quota / period), quota / period);
  }
  return tightest;
}

}  // namespace vectune::cgroup
