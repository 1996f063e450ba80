#include "apps/cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

bool is_dumb() {
  const char* term = std::getenv("TERM");
  return term == nullptr || *term == '\0' || std::strcmp(term, "dumb") == 0;
}

bool automatic_color(bool terminal) {
  if (is_set("NO_COLOR")) return false;
  if (is_set("CLICOLOR_FORCE") && std::strcmp(std::getenv("CLICOLOR_FORCE"), "0") != 0) return true;
  return terminal && !is_dumb();
}

}  // namespace

Console::Console()
    : stdout_is_terminal_(isatty(STDOUT_FILENO) == 1),
      stderr_is_terminal_(isatty(STDERR_FILENO) == 1),
      draws_(stderr_is_terminal_ && !is_dumb()) {
  set_color(ColorMode::kAuto);
}

void Console::set_color(ColorMode mode) {
  color_ = mode == ColorMode::kAlways || (mode == ColorMode::kAuto && automatic_color(stderr_is_terminal_));
}

int Console::width() const {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

void Console::result(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (stdout_is_terminal_) erase();
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw core::Error(core::ErrorCode::kRuntime,
                      std::string("stdout: the results cannot be written: ") + std::strerror(errno));
  }
  if (stdout_is_terminal_ && !text.empty()) inside_line_ = text.back() != '\n';
  draw();
}

void Console::prompt(std::string_view text) {
  const std::lock_guard lock(mutex_);
  erase();
  std::fprintf(stderr, "%.*s", int(text.size()), text.data());
  std::fflush(stderr);
}

void Console::remark(std::string_view line) {
  const std::lock_guard lock(mutex_);
  erase();
  if (inside_line_ && stderr_is_terminal_) std::fputc('\n', stderr);
  inside_line_ = false;
  std::fprintf(stderr, "%.*s\n", int(line.size()), line.data());
  draw();
}

void Console::status(std::string line) {
  const std::lock_guard lock(mutex_);
  erase();
  status_ = std::move(line);
  draw();
}

void Console::erase() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

void Console::draw() {
  if (drawn_ || !draws_ || status_.empty() || inside_line_) return;
  std::fputs(status_.c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

Console& console() {
  static Console instance;
  return instance;
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      out += c;
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", unsigned(static_cast<unsigned char>(c)));
    out += escaped;
  }
  return out;
}

}  // namespace vulcap::apps
