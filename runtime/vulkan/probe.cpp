#include "runtime/vulkan/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "runtime/core/error.h"
#include "runtime/core/spawn.h"
#include "runtime/vulkan/device.h"
#include "runtime/vulkan/device_text.h"
#include "runtime/vulkan/drivers.h"
#include "runtime/vulkan/probe_cache.h"

namespace vulcap::vulkan {
namespace {

using Clock = std::chrono::steady_clock;

struct Answer {
  std::optional<Enumeration> found;
  std::string failure;  // how the child failed; empty: it did not
};

// Returns the child, or -1 with errno set; what it writes to stdout comes out of `read_end`.
pid_t start(const std::vector<std::string>& command, const std::vector<std::string>& environment,
            int& read_end) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return -1;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  // Drivers complain there of what is no fault of the user's, unless they are asked to speak.
  if (std::getenv("VK_LOADER_DEBUG") == nullptr)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  const pid_t child = core::spawn(command, environment, actions);
  const int failure = errno;
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  read_end = ends[0];
  if (child < 0) close(ends[0]);
  errno = failure;
  return child;
}

// False when the time ran out.
bool read_all(int file, Clock::time_point deadline, std::string& text) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd waiting{file, POLLIN, 0};
    if (poll(&waiting, 1, int(left)) <= 0) continue;
    std::array<char, 16384> buffer;
    const ssize_t got = read(file, buffer.data(), buffer.size());
    if (got > 0) text.append(buffer.data(), size_t(got));
    if (got == 0 || (got < 0 && errno != EINTR)) return true;
  }
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) {
    return "crashes (" + core::signal_name(WTERMSIG(status)) + ")";
  }
  return "ends the process with exit code " + std::to_string(WEXITSTATUS(status));
}

// `drivers`: replaces the loader's list of manifests; empty: does not.
Answer ask(const Probe& request, const std::string& drivers) {
  auto variables = Surroundings::own().variables;
  if (!drivers.empty()) variables["VK_DRIVER_FILES"] = variables["VK_ICD_FILENAMES"] = drivers;
  std::vector<std::string> environment;
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  int output = -1;
  const pid_t child = start(request.command, environment, output);
  if (child < 0) return {{}, "cannot be asked: " + request.command.at(0) + ": " + std::strerror(errno)};
  std::string text;
  const bool in_time = read_all(output, Clock::now() + request.limit, text);
  close(output);
  if (!in_time) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) {
    const auto seconds = std::chrono::duration<double>(request.limit).count();
    char line[64];
    std::snprintf(line, sizeof line, "does not answer within %g s", seconds);
    return {{}, line};
  }
  auto found = parse_enumeration(text);
  return {found, found ? "" : how_it_ended(status)};
}

std::vector<DriverAnswer> answers_of_each(const Probe& request) {
  std::vector<DriverAnswer> answers;
  for (const std::filesystem::path& manifest : driver_manifests(Surroundings::own())) {
    Answer alone = ask(request, manifest.string());
    answers.push_back({manifest, {}, alone.failure});
    if (alone.found) answers.back().devices = std::move(alone.found->devices);
  }
  return answers;
}

// The loader's list from now on; an empty one would mean the usual places.
void set_drivers(const std::string& manifests) {
  const char* value = manifests.empty() ? "/dev/null" : manifests.c_str();
  setenv("VK_DRIVER_FILES", value, 1);
  setenv("VK_ICD_FILENAMES", value, 1);
}

Enumeration without_failing_drivers(const Probe& request, const std::string& failure) {
  Enumeration result;
  result.problems = leave_out_failing(answers_of_each(request));
  if (result.problems.empty()) {
    result.problems.push_back("Vulkan " + failure +
                              " when all drivers are asked for their devices, and each alone does not; "
                              "VK_DRIVER_FILES=MANIFEST chooses one");
    set_drivers("");
  }
  if (auto rest = ask(request, "").found) result.devices = std::move(rest->devices);
  if (result.devices.empty()) result.reason = "no Vulkan device: " + result.problems.front();
  return result;
}

std::chrono::milliseconds limit_of(const Probe& request) {
  const char* text = std::getenv("VULCAP_VK_PROBE_TIMEOUT");
  if (text == nullptr) return request.limit;
  double seconds = 0;
  const char* end = text + std::strlen(text);
  if (std::from_chars(text, end, seconds).ptr != end || !(seconds > 0) || seconds > 3600) {
    throw core::Error(core::ErrorCode::kUsage, "VULCAP_VK_PROBE_TIMEOUT=" + std::string(text) +
                                                   " is no number of seconds between 0 and 3600");
  }
  return std::chrono::milliseconds(int64_t(seconds * 1000) + 1);
}

}  // namespace

Enumeration probe(const Probe& given) {
  Probe request = given;
  request.limit = limit_of(given);
  const ProbeCache cache(request.cache_dir, Surroundings::own());
  if (auto kept = cache.read()) return *kept;
  Answer answer = ask(request, "");
  if (!answer.found) return without_failing_drivers(request, answer.failure);
  cache.write(*answer.found);
  return *answer.found;
}

std::vector<DriverAnswer> probe_each(const Probe& given) {
  Probe request = given;
  request.limit = limit_of(given);
  return answers_of_each(request);
}

std::vector<std::string> leave_out_failing(const std::vector<DriverAnswer>& answers) {
  std::string good;
  std::vector<std::string> lines;
  for (const DriverAnswer& answer : answers) {
    if (answer.failure.empty()) {
      good += (good.empty() ? "" : ":") + answer.manifest.string();
    } else {
      lines.push_back("the Vulkan driver of " + answer.manifest.string() + " " + answer.failure +
                      " when it is asked for its devices, and is left out; update or remove it");
    }
  }
  if (!lines.empty()) set_drivers(good);
  return lines;
}

int answer_probe() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  Enumeration found = enumerate();
  for (DeviceInfo& info : found.devices) {
    try {
      const Device device(info.index, false);
    } catch (const core::Error& error) {
      info.unusable = error.message();
    }
  }
  const std::string text = enumeration_text(found);
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return written ? 0 : 1;
}

}  // namespace vulcap::vulkan
