#include "apps/cli/short_names.h"

#include <array>
#include <string_view>
#include <utility>

namespace vulcap::apps {
namespace {

constexpr std::array kNames = {
    std::pair<std::string_view, const char*>{"-hf", "--hf-repo"},
    std::pair<std::string_view, const char*>{"-oe", "--output-err"},
    std::pair<std::string_view, const char*>{"-hft", "--hf-token"},
    std::pair<std::string_view, const char*>{"-dev", "--device"},
};

}  // namespace

std::vector<const char*> with_cli11_names(int argc, const char* const* argv) {
  std::vector<const char*> arguments(argv, argv + argc);
  for (const char*& argument : arguments) {
    if (std::string_view(argument) == "--") break;
    for (const auto& [name, long_name] : kNames)
      if (argument == name) argument = long_name;
  }
  return arguments;
}

}  // namespace vulcap::apps
