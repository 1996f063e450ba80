// Regular expressions in Python's syntax, as the settings of processors state them; run by PCRE2.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace vulcap::grounding {

class Pattern {
 public:
  // The text of group 0 (the whole match), 1, 2, ...; views into the searched text.
  using Match = std::vector<std::string_view>;

  // `where` begins the errors. Throws core::Error(kInvalidModel) for what cannot be compiled.
  Pattern(std::string_view pattern, const std::string& where);

  // As re.finditer. `text` must be UTF-8. Throws core::Error(kRuntime) when the search takes more
  // backtracking than PCRE2's limit.
  std::vector<Match> find_all(std::string_view text) const;
  // As re.search.
  std::optional<Match> find_first(std::string_view text) const;
  int groups() const;  // without group 0

 private:
  std::optional<Match> find_from(std::string_view text, size_t begin, bool not_empty) const;

  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, Free> code_;
  std::string where_;
};

}  // namespace vulcap::grounding
