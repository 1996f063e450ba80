// Texts that end a sequence, as StopStringCriteria of transformers 4.57 finds them: a stop string must end
// inside the text of the last token, of which more may follow behind it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "loader/tokenizer/tokenizer.h"

namespace vulcap::loader {

class StopStrings {
 public:
  // `tokenizer` must live longer. Throws core::Error(kUsage) for an empty stop string.
  StopStrings(const tokenizer::Tokenizer& tokenizer, std::vector<std::string> stops);

  // ids: a whole sequence, prompt included.
  bool ends(std::span<const int64_t> ids);

 private:
  // What a token adds to a text, without the marks and spaces of a beginning.
  const std::string& text_of(int64_t id);

  const tokenizer::Tokenizer& tokenizer_;
  std::vector<std::string> stops_;
  size_t longest_ = 0;  // in code points: so many tokens at most take part
  std::vector<int64_t> base_;
  std::map<int64_t, std::string> texts_;
};

}  // namespace vulcap::loader
