// --help of the program and of its subcommands, wrapped to the terminal.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "apps/documentation/program_info.h"

namespace vulcap::apps {

std::string program_help(const ProgramInfo& program, int width);
std::string command_help(const std::string& program, const CommandInfo& command, int width);
// Words of `text` in lines of at most `width` columns, each after `indent` blanks; the first line follows
// what stands there already.
std::string wrapped(const std::string& text, int indent, int width);

// What the parser calls for --help.
class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

}  // namespace vulcap::apps
