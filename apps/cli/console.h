// The user's terminal. Results go to stdout; stderr takes remarks and, where it is a terminal, one line of
// status below them that neither tears. Safe for several threads.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace vulcap::apps {

enum class ColorMode { kAuto, kAlways, kNever };

class Console {
 public:
  Console();

  // Automatic colours obey NO_COLOR, CLICOLOR_FORCE and TERM=dumb, and need a terminal.
  void set_color(ColorMode mode);
  // Whether stderr takes colours.
  bool color() const { return color_; }
  // Whether a status line can be drawn: stderr is a terminal that moves its cursor.
  bool draws() const { return draws_; }
  bool stdout_is_terminal() const { return stdout_is_terminal_; }
  // Columns of the terminal on stderr; 80 where nobody says.
  int width() const;

  // Writes to stdout and flushes. A piece that ends inside a line keeps the status hidden until the line
  // ends. Throws core::Error(kRuntime) when stdout takes no more.
  void result(std::string_view text);
  // Asks for a line of stdin, on stderr.
  void prompt(std::string_view text);
  // A line to stderr, without its end.
  void remark(std::string_view line);
  // Shows `line` in place of the last status; empty: none.
  void status(std::string line);

 private:
  void erase();
  void draw();

  mutable std::mutex mutex_;
  bool stdout_is_terminal_;
  bool stderr_is_terminal_;
  bool draws_;
  bool color_ = false;
  bool inside_line_ = false;  // of stdout, where that is a terminal
  bool drawn_ = false;
  std::string status_;
};

Console& console();

// `text` for a terminal: control characters stand as \xNN.
std::string printable(std::string_view text);

}  // namespace vulcap::apps
