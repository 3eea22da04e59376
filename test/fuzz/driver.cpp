// The fuzzer's loop. Usage:
//   vectune_fuzz TARGET [--seconds N] [--runs N] [--seed N] [--corpus FOLDER]... [--artifact FILE]
//   vectune_fuzz TARGET --replay FILE...
//   vectune_fuzz --list
// The first corpus folder gets the inputs that reached something new. Not instrumented itself.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "fuzz.h"

namespace vectune::fuzz {
namespace {

constexpr size_t kLongest = 1 << 14;
constexpr size_t kEdges = 1 << 16;
constexpr time_t kPatienceSeconds =
    10;  // of the processor, for one input: what a busy machine takes more does not count

/// How often each edge was taken by the input that runs, and by any before it (in classes: 1, 2, 3, 4-7, 8-15, ...).
uint8_t taken[kEdges];
uint8_t known[kEdges];
thread_local uintptr_t last = 0;

uint8_t bucket(uint8_t count) {
  if (count <= 3) return static_cast<uint8_t>(1u << (count - 1));
  return count < 8 ? 8 : count < 16 ? 16 : count < 32 ? 32 : count < 128 ? 64 : 128;
}

/// Whether the input reached what none before it did.
bool learn() {
  bool news = false;
  for (size_t i = 0; i < kEdges; ++i) {
    if (taken[i] == 0) continue;
    const uint8_t seen = bucket(taken[i]);
    if ((known[i] & seen) == 0) news = true;
    known[i] |= seen;
  }
  return news;
}

size_t edges() {
  return static_cast<size_t>(std::count_if(known, known + kEdges, [](uint8_t n) { return n != 0; }));
}

/// The input that runs stands in a file, which outlives a crash.
class Artifact {
 public:
  explicit Artifact(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || ::ftruncate(fd, sizeof(Page)) != 0) std::perror(path.c_str()), std::exit(2);
    void* at = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) std::perror(path.c_str()), std::exit(2);
    page_ = static_cast<Page*>(at);
    ::close(fd);
  }
  void set(std::string_view input) {
    page_->length = input.size();
    std::memcpy(page_->bytes, input.data(), input.size());
  }

 private:
  struct Page {
    uint64_t length;
    char bytes[kLongest];
  };
  Page* page_;
};

class Mutator {
 public:
  Mutator(uint64_t seed, const std::vector<std::string>& words) : random_(seed), words_(words) {}

  std::string operator()(const std::vector<std::string>& corpus) {
    // The newest inputs are where there is most to find.
    const size_t n = corpus.size();
    const size_t pick = below(2) ? n - 1 - below(std::min<size_t>(n, 16)) : below(n);
    std::string input = corpus[pick];
    for (size_t rounds = size_t{1} << below(4); rounds > 0; --rounds) mutate(input, corpus);
    if (input.size() > kLongest) input.resize(kLongest);
    return input;
  }

 private:
  size_t below(size_t n) { return n == 0 ? 0 : random_() % n; }
  char any() { return static_cast<char>(random_() & 0xFF); }

  void mutate(std::string& s, const std::vector<std::string>& corpus) {
    if (s.empty()) s.push_back(any());
    const size_t at = below(s.size());
    switch (below(12)) {
      case 0: s[at] = static_cast<char>(s[at] ^ (1 << below(8))); break;
      case 1: s[at] = any(); break;
      case 2: s[at] = "\0\x01\x7f\x80\xff\"\\{}[]:,0"[below(14)]; break;
      case 3: s.erase(at, 1 + below(std::min<size_t>(s.size() - at, 32))); break;
      case 4: s.insert(at, 1 + below(16), any()); break;
      case 5: s.insert(at, s.substr(below(s.size()), 1 + below(64))); break;  // a piece of itself
      case 6: {                                                               // the begin of one, the end of another
        const std::string& other = corpus[below(corpus.size())];
        s = s.substr(0, at) + other.substr(std::min(other.size(), below(other.size() + 1)));
        break;
      }
      case 7:
      case 8:
        if (!words_.empty()) s.insert(at, words_[below(words_.size())]);
        break;
      case 9: number(s, at); break;
      case 10: std::swap(s[at], s[below(s.size())]); break;
      case 11: s[at] = static_cast<char>(s[at] + (below(2) ? 1 : -1)); break;
    }
  }

  /// Another number where one is written in digits.
  void number(std::string& s, size_t at) {
    static const char* const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "255",
                                          "65536",
                                          "2147483648",
                                          "4294967296",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "18446744073709551616",
                                          "1e400",
                                          "0.5",
                                          "00"};
    const size_t first = s.find_first_of("0123456789", at);
    if (first == std::string::npos) return;
    size_t end = first;
    while (end < s.size() && s[end] >= '0' && s[end] <= '9') ++end;
    const long long value = std::atoll(s.substr(first, std::min<size_t>(end - first, 18)).c_str());
    s.replace(
        first, end - first,
        below(3) ? std::to_string(value + static_cast<long long>(below(9)) - 4) : numbers[below(std::size(numbers))]);
  }

  std::mt19937_64 random_;
  const std::vector<std::string>& words_;
};

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Ends the program by SIGPROF after so many seconds of the processor; 0 takes it back. One that waits for ever is for
/// who started it to end.
void set_patience(time_t seconds) {
  const itimerval timer{{0, 0}, {seconds, 0}};
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

void run(const Target& target, std::string_view input) {
  std::memset(taken, 0, sizeof taken);
  last = 0;
  set_patience(kPatienceSeconds);
  // A copy of the exact length on the heap: a byte read beyond it is the sanitizer's to find.
  const std::vector<char> copy(input.begin(), input.end());
  target.run({copy.data(), copy.size()});
  set_patience(0);
}

int fuzz(const Target& target, double seconds, uint64_t runs, uint64_t seed, const std::vector<std::string>& folders,
         const std::string& artifact_path) {
  using Clock = std::chrono::steady_clock;
  Artifact artifact(artifact_path);
  std::vector<std::string> corpus, given = target.seeds;
  for (const auto& folder : folders) {
    if (!std::filesystem::is_directory(folder)) continue;
    std::vector<std::filesystem::path> files;
    for (const auto& file : std::filesystem::directory_iterator(folder)) files.push_back(file.path());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) given.push_back(bytes_of(file).substr(0, kLongest));
  }
  uint64_t tried = 0;
  for (const auto& input : given) {
    artifact.set(input);
    run(target, input);
    ++tried;
    if (learn() || corpus.empty()) corpus.push_back(input);
  }
  const size_t first = corpus.size();
  Mutator mutate(seed, target.words);
  const auto begin = Clock::now();
  const auto spent = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  while (tried < runs && spent() < seconds) {
    const std::string input = mutate(corpus);
    artifact.set(input);
    run(target, input);
    ++tried;
    if (!learn()) continue;
    corpus.push_back(input);
    if (folders.empty()) continue;
    const auto name = std::to_string(std::hash<std::string>{}(input));
    std::ofstream(std::filesystem::path(folders.front()) / name, std::ios::binary) << input;
  }
  std::printf("%s: %llu inputs in %.1f s, %zu edges, corpus %zu (%zu of them new), seed %llu\n", target.name,
              static_cast<unsigned long long>(tried), spent(), edges(), corpus.size(), corpus.size() - first,
              static_cast<unsigned long long>(seed));
  return 0;
}

}  // namespace

std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}
bool add(Target target) {
  targets().push_back(std::move(target));
  return true;
}
void fail(const std::string& what) {
  std::fprintf(stderr, "FUZZ FAILURE: %s\n", what.c_str());
  std::abort();
}

}  // namespace vectune::fuzz

/// Called by the code under test at every edge (-fsanitize-coverage=trace-pc).
extern "C" void __sanitizer_cov_trace_pc() {
  using namespace vectune::fuzz;
  const auto here = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  uint8_t& count = taken[(here ^ last) * 0x9E3779B97F4A7C15ull >> 48];
  if (count < 255) ++count;
  last = here >> 1;
}

int main(int argc, char** argv) {
  using namespace vectune::fuzz;
  const std::string name = argc > 1 ? argv[1] : "--list";
  if (name == "--list") {
    for (const Target& target : targets()) std::printf("%s\n", target.name);
    return 0;
  }
  const auto found = std::find_if(targets().begin(), targets().end(), [&](const Target& t) { return name == t.name; });
  if (found == targets().end()) return std::fprintf(stderr, "There is no target %s; --list names them.\n", argv[1]), 2;
  double seconds = 1e9;
  uint64_t runs = UINT64_MAX, seed = 1;
  std::vector<std::string> folders;
  std::string artifact = "current-input";
  for (int i = 2; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--replay") {
      for (++i; i < argc; ++i)
        run(*found, bytes_of(argv[i])), std::printf("%s: %s is refused or read\n", found->name, argv[i]);
      return 0;
    }
    if (i + 1 == argc) return std::fprintf(stderr, "%s needs a value.\n", argv[i]), 2;
    const char* value = argv[++i];
    if (option == "--seconds") seconds = std::atof(value);
    else if (option == "--runs") runs = std::strtoull(value, nullptr, 10);
    else if (option == "--seed") seed = std::strtoull(value, nullptr, 10);
    else if (option == "--corpus") folders.push_back(value);
    else if (option == "--artifact") artifact = value;
    else return std::fprintf(stderr, "There is no option %s.\n", option.c_str()), 2;
  }
  return fuzz(*found, seconds, runs, seed, folders, artifact);
}
