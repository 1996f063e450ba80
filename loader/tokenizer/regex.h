// Regular expressions of tokenizer.json: Oniguruma's Ruby syntax over Unicode text, run by PCRE2.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loader/tokenizer/normalized_string.h"

struct pcre2_real_code_8;

namespace vulcap::tokenizer {

class Regex {
 public:
  // `where` names the stage in errors. Throws core::Error(kInvalidModel) for what neither syntax accepts.
  Regex(std::string_view ruby_pattern, const std::string& where);

  // Splits the text into matches and the rest, as `find_iter` does. Throws core::Error(kInvalidModel) when
  // the pattern needs more backtracking than the limit.
  std::vector<Segment> find(const std::u32string& text) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, Free> code_;
  std::string where_;
};

// Rewrites what PCRE2 reads differently: \s, \w, \h, \b, \uHHHH, [:alpha:], nested classes such as [^a[bc]],
// x{1,3}+. Exposed for tests.
std::string ruby_to_pcre2(std::string_view pattern, const std::string& where);

}  // namespace vulcap::tokenizer
