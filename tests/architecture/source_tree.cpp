#include "tests/architecture/source_tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

namespace vulcap::test {
namespace {

namespace fs = std::filesystem;

bool starts_with_any(const std::string& text, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) { return text.starts_with(prefix); });
}

// "runtime/core/dim.h" -> "runtime/core"; "loader/tasks.h" -> "loader".
std::string layer_of(const std::string& path) {
  const size_t first = path.find('/');
  if (first == std::string::npos) return "";
  const std::string top = path.substr(0, first);
  if (top != "runtime") return top;
  const size_t second = path.find('/', first + 1);
  return second == std::string::npos ? top : path.substr(0, second);
}

// What each layer may include besides itself.
const std::map<std::string, std::set<std::string>>& allowed_layers() {
  static const std::map<std::string, std::set<std::string>> table = [] {
    const std::vector<std::string> chain = {"shaders",     "runtime/core",   "runtime/graph",
                                            "runtime/ops", "runtime/passes", "runtime/plan"};
    std::map<std::string, std::set<std::string>> result;
    std::set<std::string> below;
    for (const std::string& layer : chain) {
      result[layer] = below;
      below.insert(layer);
    }
    result["runtime/cpu"] = result["runtime/vulkan"] = below;
    below.insert({"runtime/cpu", "runtime/vulkan"});
    result["runtime/session"] = below;
    result["runtime/generate"] = {"runtime/core"};
    below.insert({"runtime/session", "runtime/generate"});
    result["loader"] = below;
    below.insert("loader");
    result["apps"] = result["library"] = below;
    return result;
  }();
  return table;
}

struct ForeignRule {
  std::vector<std::string> headers;  // beginnings of an include
  std::vector<std::string> owners;   // beginnings of the paths that may include them
};

const std::vector<ForeignRule>& foreign_rules() {
  static const std::vector<ForeignRule> rules = {
      {{"vulkan/", "vk_", "volk", "vk_mem_alloc"}, {"runtime/vulkan/"}},
      {{"nlohmann/", "utf8proc", "pcre2"}, {"loader/", "apps/"}},
      {{"png.h", "libpng", "jpeglib.h", "jerror.h"}, {"loader/image/"}},
      {{"sndfile"}, {"loader/audio/"}},
      {{"zlib"}, {"loader/speech/"}},
      {{"onnx/", "google/protobuf"}, {"loader/onnx/", "loader/conversion/"}},
      {{"loader/onnx/"}, {"loader/", "apps/"}},
      {{"cairo", "fontconfig/"}, {"loader/grounding/"}},
      {{"hwy/"}, {"runtime/cpu/"}},
      {{"CLI/"}, {"apps/"}},
      {{"curl/", "openssl/"}, {"loader/hub/"}},
      {{"httplib"}, {"apps/serve/"}},
      {{"archive"}, {"apps/batch/"}},
  };
  return rules;
}

std::optional<std::string> layer_violation(const std::string& path, const std::string& target) {
  const std::string from = layer_of(path);
  const std::string to = layer_of(target);
  const auto rule = allowed_layers().find(from);
  if (rule == allowed_layers().end())
    return path + ": the folder " + from + " has no place in the order of layers";
  if (from == to || rule->second.count(to)) {
    const bool tokenizer = path.starts_with("loader/tokenizer/");
    if (tokenizer && to.starts_with("runtime/") && to != "runtime/core")
      return path + ": loader/tokenizer may use runtime/core only, not " + target;
    return std::nullopt;
  }
  return path + ": " + from + " may not include " + target;
}

std::optional<std::string> foreign_violation(const std::string& path, const std::string& target) {
  for (const ForeignRule& rule : foreign_rules()) {
    if (starts_with_any(target, rule.headers) && !starts_with_any(path, rule.owners)) {
      return path + ": only " + rule.owners.front() + " may include " + target;
    }
  }
  return std::nullopt;
}

bool is_source(const fs::path& path) {
  static const std::set<std::string> kinds = {".h", ".cpp", ".comp", ".glsl", ".def", ".inc"};
  return kinds.count(path.extension().string()) > 0;
}

size_t count_lines(const std::string& text) { return size_t(std::count(text.begin(), text.end(), '\n')); }

}  // namespace

SourceTree read_product() {
  const fs::path root = VULCAP_SOURCE_DIR;
  SourceTree tree;
  for (const char* top : {"apps", "library", "loader", "runtime", "shaders"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      std::ifstream file(entry.path());
      std::stringstream text;
      text << file.rdbuf();
      tree[fs::relative(entry.path(), root).generic_string()] = text.str();
    }
  }
  return tree;
}

std::vector<Include> includes_of(const std::string& text) {
  static const std::regex pattern(R"re(^[ \t]*#[ \t]*include[ \t]*(<[^>\n]+>|"[^"\n]+"))re");
  std::vector<Include> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, pattern)) continue;
    const std::string name = match[1];
    result.push_back({name.substr(1, name.size() - 2), name[0] == '"'});
  }
  return result;
}

std::vector<std::string> include_violations(const SourceTree& tree) {
  std::vector<std::string> found;
  for (const auto& [path, text] : tree) {
    for (const Include& include : includes_of(text)) {
      const bool own = starts_with_any(
          include.target, {"apps/", "library/", "loader/", "runtime/", "shaders/", "tests/", "bench/", "models/"});
      const bool relative = include.quoted && (include.target.find('/') == std::string::npos ||
                                               include.target.starts_with("."));
      if (relative) {
        found.push_back(path + ": \"" + include.target + "\" is not named from the repository root");
      } else if (const auto problem = own ? layer_violation(path, include.target) : std::nullopt) {
        found.push_back(*problem);
      } else if (const auto foreign = foreign_violation(path, include.target)) {
        found.push_back(*foreign);
      }
    }
  }
  return found;
}

std::vector<std::string> long_files(const SourceTree& tree, size_t most_lines,
                                    const std::map<std::string, std::string>& excepted) {
  std::vector<std::string> found;
  for (const auto& [path, text] : tree) {
    const size_t lines = count_lines(text);
    if (lines > most_lines && !excepted.count(path))
      found.push_back(path + ": " + std::to_string(lines) + " lines");
    if (lines <= most_lines && excepted.count(path))
      found.push_back(path + ": is excepted for its length but is short");
  }
  for (const auto& [path, reason] : excepted) {
    if (!tree.count(path)) found.push_back(path + ": is excepted for its length but does not exist");
  }
  return found;
}

std::vector<std::string> leftover_marks(const SourceTree& tree) {
  static const std::regex pattern(R"(\b(TODO|FIXME|XXX|HACK)\b)");
  std::vector<std::string> found;
  for (const auto& [path, text] : tree) {
    std::smatch match;
    if (std::regex_search(text, match, pattern)) found.push_back(path + ": " + match[1].str());
  }
  return found;
}

std::vector<std::string> missing_registrations(const SourceTree& tree, const std::string& folder,
                                               const std::string& prefix) {
  std::vector<std::string> found;
  size_t files = 0;
  for (const auto& [path, text] : tree) {
    const fs::path file(path);
    if (file.parent_path() != folder || file.extension() != ".cpp") continue;
    ++files;
    const std::string wanted = "void " + prefix + "_" + file.stem().string() + "(";
    if (text.find(wanted) == std::string::npos)
      found.push_back(path + ": does not define " + wanted + "...)");
  }
  if (files == 0) found.push_back(folder + ": has no sources");
  return found;
}

}  // namespace vulcap::test
