#include "tests/serve/browser.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "loader/base64.h"
#include "tests/apps/child_process.h"

extern char** environ;

namespace vulcap::testing {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kAnswerMilliseconds = 60'000;
// Of a child with --remote-debugging-pipe.
constexpr int kCommands = 3;
constexpr int kAnswers = 4;

}  // namespace

Browser::Browser(int width, int height) {
  Pipe commands;
  Pipe answers;
  std::vector<std::string> arguments{"chromium",
                                     "--headless=new",
                                     "--no-sandbox",
                                     "--disable-gpu",
                                     "--disable-dev-shm-usage",
                                     "--no-first-run",
                                     "--hide-scrollbars",
                                     "--remote-debugging-pipe",
                                     "--user-data-dir=" + profile_.path().string(),
                                     "--window-size=" + std::to_string(width) + "," + std::to_string(height),
                                     "about:blank"};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  // Above the numbers that the child is to find them under.
  to_ = fcntl(commands.end(1), F_DUPFD_CLOEXEC, 10);
  from_ = fcntl(answers.end(0), F_DUPFD_CLOEXEC, 10);
  const int read_end = fcntl(commands.end(0), F_DUPFD_CLOEXEC, 10);
  const int write_end = fcntl(answers.end(1), F_DUPFD_CLOEXEC, 10);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, read_end, kCommands);
  posix_spawn_file_actions_adddup2(&actions, write_end, kAnswers);
  const int result = posix_spawnp(&id_, "chromium", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(read_end);
  close(write_end);
  if (result != 0) throw std::runtime_error("chromium cannot be started");
  const json target = call("Target.createTarget", {{"url", "about:blank"}});
  session_ =
      call("Target.attachToTarget", {{"targetId", target["targetId"]}, {"flatten", true}})["sessionId"];
}

Browser::~Browser() {
  close(to_);
  close(from_);
  if (id_ <= 0) return;
  kill(id_, SIGKILL);
  waitpid(id_, nullptr, 0);
}

json Browser::receive() {
  for (;;) {
    const size_t end = buffer_.find('\0');
    if (end != std::string::npos) {
      const json message = json::parse(buffer_.substr(0, end));
      buffer_.erase(0, end + 1);
      return message;
    }
    pollfd file{from_, POLLIN, 0};
    char chunk[65536];
    const ssize_t got = poll(&file, 1, kAnswerMilliseconds) > 0 ? read(from_, chunk, sizeof chunk) : 0;
    if (got <= 0) throw std::runtime_error("chromium does not answer");
    buffer_.append(chunk, size_t(got));
  }
}

json Browser::call(const std::string& method, const json& parameters) {
  json command{{"id", ++last_call_}, {"method", method}, {"params", parameters}};
  if (!session_.empty()) command["sessionId"] = session_;
  const std::string text = command.dump() + '\0';
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t count = write(to_, text.data() + sent, text.size() - sent);
    if (count <= 0) throw std::runtime_error("chromium is gone");
    sent += size_t(count);
  }
  for (;;) {
    json message = receive();
    if (message.value("id", 0) != last_call_) continue;
    if (message.contains("error")) throw std::runtime_error(method + ": " + message["error"].dump());
    return message["result"];
  }
}

void Browser::open(const std::string& url) {
  call("Page.navigate", {{"url", url}});
  if (!becomes_true("document.readyState === 'complete' && location.href !== 'about:blank'", 30))
    throw std::runtime_error(url + " does not load");
}

json Browser::evaluate(const std::string& expression) {
  const json result =
      call("Runtime.evaluate", {{"expression", expression}, {"awaitPromise", true}, {"returnByValue", true}});
  if (result.contains("exceptionDetails")) throw std::runtime_error(result["exceptionDetails"].dump());
  return result["result"].value("value", json());
}

bool Browser::becomes_true(const std::string& expression, double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    if (evaluate(expression) == true) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

std::string Browser::screenshot() {
  return *loader::decode_base64(
      call("Page.captureScreenshot", {{"format", "png"}})["data"].get<std::string>());
}

void Browser::prefer(const std::string& scheme) {
  const json feature{{"name", "prefers-color-scheme"}, {"value", scheme}};
  call("Emulation.setEmulatedMedia", {{"features", json::array({feature})}});
}

}  // namespace vulcap::testing
