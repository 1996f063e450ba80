// The rules on source files, as functions over (path, text) lists so that planted violations can be tried on
// them.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace vulcap::test {

// Path relative to the repository root -> content.
using SourceTree = std::map<std::string, std::string>;

// The product's sources under apps/, loader/, runtime/ and shaders/.
SourceTree read_product();

struct Include {
  std::string target;
  bool quoted = false;  // "a/b.h", not <a/b.h>
};
std::vector<Include> includes_of(const std::string& text);

// One line a violation, "path: ...".
std::vector<std::string> include_violations(const SourceTree& tree);
std::vector<std::string> long_files(const SourceTree& tree, size_t most_lines,
                                    const std::map<std::string, std::string>& excepted);
std::vector<std::string> leftover_marks(const SourceTree& tree);
// Every <folder>/<stem>.cpp must define `void <prefix>_<stem>(`.
std::vector<std::string> missing_registrations(const SourceTree& tree, const std::string& folder,
                                               const std::string& prefix);

}  // namespace vulcap::test
