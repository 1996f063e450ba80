// What ColPaliProcessor and ColQwen2Processor of transformers 4.57 write around a query and around an image.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "loader/tokenizer/tokenizer.h"

namespace vulcap::loader {

enum class RetrievalFamily { kColPali, kColQwen2 };

struct RetrievalPrompts {
  std::string image;  // holds the image token once; it stands for as many as the image has
  std::string query_start, query_prefix, query_end;
  std::string document_start;  // of a text that is no query

  std::string query(const std::string& text, const std::string& prefix) const {
    return query_start + prefix + text + query_end;
  }
};

// Prefixes come from processor_config.json where it states them. A folder whose settings name no
// processor_class was saved from a bare tokenizer and a bare image processor: its prompts are the plain ones,
// without query prefix, augmentation and line ends, and a warning says so.
RetrievalPrompts read_retrieval_prompts(const std::filesystem::path& dir, RetrievalFamily family,
                                        const tokenizer::Tokenizer& tokenizer, const std::string& image_token,
                                        std::vector<std::string>& warnings);

}  // namespace vulcap::loader
