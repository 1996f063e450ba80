#pragma once

#include <string>
#include <vector>

namespace vulcap::card {

// The YAML in front of a model card: texts and lists of texts.
class FrontMatter {
 public:
  // Empty values are left out.
  void add(const std::string& key, const std::string& value);
  void add(const std::string& key, const std::vector<std::string>& values);
  // With the lines of dashes around it.
  std::string text() const { return "---\n" + lines_ + "---\n"; }

 private:
  std::string lines_;
};

// A scalar that YAML reads as this text: quoted where it would read a number, a boolean or more than a text.
std::string yaml_text(const std::string& text);

}  // namespace vulcap::card
