// Puts special tokens around one text or a pair (field "post_processor").
#pragma once

#include <memory>
#include <vector>

#include "loader/tokenizer/encoding.h"
#include "loader/tokenizer/json_fields.h"

namespace vulcap::tokenizer {

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  // How many tokens process() will add.
  virtual std::size_t added_count(bool is_pair) const = 0;
  // Takes one or two encodings and returns the parts to be joined in order.
  virtual std::vector<Encoding> process(std::vector<Encoding> texts, bool add_special_tokens) const = 0;
};

// Throws core::Error(kInvalidModel) naming the type when it is not known.
std::unique_ptr<PostProcessor> make_post_processor(const Fields& fields);

// Numbers the texts, applies the processor (may be null) and joins the parts.
Encoding post_process(const PostProcessor* processor, std::vector<Encoding> texts, bool add_special_tokens);

}  // namespace vulcap::tokenizer
