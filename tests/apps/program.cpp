#include "tests/apps/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <stdexcept>

extern char** environ;

namespace vulcap::testing {
namespace {

using Clock = std::chrono::steady_clock;

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int end(int which) const { return ends_[size_t(which)]; }
  void close_end(int which) {
    int& end = ends_[size_t(which)];
    if (end >= 0) close(end);
    end = -1;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& item : strings) result.push_back(item.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(Environment changes) {
  const std::string cache =
      (std::filesystem::path(VULCAP_PROGRAM).parent_path() / "tests" / "cache").string();
  changes.emplace("XDG_CACHE_HOME", cache);
  std::vector<std::string> result;
  for (char** item = environ; *item != nullptr; ++item) {
    const std::string text = *item;
    const std::string name = text.substr(0, text.find('='));
    if (changes.count(name) == 0 && !name.starts_with("VULCAP_ARG_")) result.push_back(text);
  }
  for (const auto& [name, value] : changes) result.push_back(name + "=" + value);
  return result;
}

pid_t spawn(const Arguments& arguments, const Environment& changes, Pipe& out, Pipe& err) {
  std::vector<std::string> argv_text{VULCAP_PROGRAM};
  argv_text.insert(argv_text.end(), arguments.begin(), arguments.end());
  std::vector<std::string> env_text = environment_with(changes);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.end(1), 1);
  posix_spawn_file_actions_adddup2(&actions, err.end(1), 2);
  pid_t child = -1;
  const int result = posix_spawn(&child, VULCAP_PROGRAM, &actions, nullptr, pointers(argv_text).data(),
                                 pointers(env_text).data());
  posix_spawn_file_actions_destroy(&actions);
  if (result != 0) throw std::runtime_error(std::string(VULCAP_PROGRAM) + ": " + std::strerror(result));
  out.close_end(1);
  err.close_end(1);
  return child;
}

// Appends what is there; closes the end when the writer is gone.
void drain(Pipe& pipe, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t got = read(pipe.end(0), buffer.data(), buffer.size());
  if (got > 0) {
    text.append(buffer.data(), size_t(got));
  } else if (got == 0 || errno != EINTR) {
    pipe.close_end(0);
  }
}

// Returns false when the time ran out.
bool collect(Pipe& out, Pipe& err, Clock::time_point deadline, Outcome& outcome) {
  while (out.end(0) >= 0 || err.end(0) >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 2> files{pollfd{out.end(0), POLLIN, 0}, pollfd{err.end(0), POLLIN, 0}};
    poll(files.data(), files.size(), int(left));
    if (files[0].revents != 0) drain(out, outcome.out);
    if (files[1].revents != 0) drain(err, outcome.err);
  }
  return true;
}

std::string described(const Outcome& outcome) {
  std::string how = "exit code " + std::to_string(outcome.exit_code);
  if (outcome.signal != 0) how = "ended by signal " + std::to_string(outcome.signal);
  if (outcome.timed_out) how = "ran out of time and was killed";
  return how + "\nstdout: " + outcome.out.substr(0, 2000) + "\nstderr: " + outcome.err.substr(0, 4000);
}

bool has_vulkan_device() {
  const Outcome outcome = run_vulcap({"devices"});
  return outcome.out.find("vulkan:0:") != std::string::npos;
}

}  // namespace

// Every run is under Vulkan's validation layer. Mesa's driver is unloaded with memory that it never frees, so
// a sanitizer build of the program does not look for leaks.
static Environment with_checks(Environment changes) {
  changes.emplace("VULCAP_VALIDATION", "1");
  changes.emplace("ASAN_OPTIONS", "detect_leaks=0");
  return changes;
}

Outcome run_vulcap(const Arguments& arguments, const Environment& changes, std::chrono::seconds limit) {
  Pipe out;
  Pipe err;
  Outcome outcome;
  const auto deadline = Clock::now() + limit;
  const pid_t child = spawn(arguments, with_checks(changes), out, err);
  if (!collect(out, err, deadline, outcome)) {
    outcome.timed_out = true;
    kill(child, SIGKILL);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  EXPECT_EQ(outcome.err.find("Vulkan validation:"), std::string::npos) << outcome.err;
  return outcome;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> error_lines(const Outcome& outcome) {
  std::vector<std::string> found;
  for (const std::string& line : lines_of(outcome.err)) {
    if (line.starts_with("vulcap: error:")) found.push_back(line);
  }
  return found;
}

::testing::AssertionResult exits(const Outcome& outcome, int code) {
  if (outcome.exit_code == code && !outcome.timed_out) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "expected exit code " << code << ", got " << described(outcome);
}

::testing::AssertionResult refuses(const Outcome& outcome, int code, const std::vector<std::string>& parts) {
  if (const auto result = exits(outcome, code); !result) return result;
  const std::vector<std::string> errors = error_lines(outcome);
  if (errors.size() != 1)
    return ::testing::AssertionFailure() << "expected one error line, got " << described(outcome);
  if (!outcome.out.empty())
    return ::testing::AssertionFailure() << "expected an empty stdout, got " << described(outcome);
  for (const std::string& part : parts) {
    if (errors[0].find(part) == std::string::npos) {
      return ::testing::AssertionFailure() << "expected '" << part << "' in: " << errors[0];
    }
  }
  return ::testing::AssertionSuccess();
}

void VulkanProgramTest::SetUp() {
  static const bool found = has_vulkan_device();
  if (found) return;
  const char* value = std::getenv("VULCAP_TESTS_WITHOUT_VULKAN");
  if (value != nullptr && std::strcmp(value, "1") == 0)
    GTEST_SKIP() << "skipped: `vulcap devices` lists no Vulkan device";
  FAIL() << "`vulcap devices` lists no Vulkan device; set VULCAP_TESTS_WITHOUT_VULKAN=1 to skip the Vulkan "
            "tests on such a machine";
}

Environment without_vulkan() {
  return {{"VK_ICD_FILENAMES", "/nonexistent"}, {"VK_DRIVER_FILES", "/nonexistent"}};
}

}  // namespace vulcap::testing
