// What a text or an image becomes, and how two of them compare.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::loader {

// Vectors of one width, row-major: one for most models, one a token for those with late interaction.
struct Embedding {
  std::vector<float> values;  // [rows, width]
  int64_t rows = 0;
  int64_t width = 0;
  std::vector<int64_t> ids;  // of the text, or of the prompt around an image; empty for images alone

  std::span<const float> row(int64_t index) const {
    return std::span(values).subspan(size_t(index * width), size_t(width));
  }
};

// Larger is closer; distances are negative (as sentence-transformers' similarity functions).
enum class Similarity {
  kCosine,
  kDot,
  kEuclidean,
  kManhattan,
  kLateInteraction,  // sum over the query's vectors of the largest dot product with one of the document's
};

// "cosine", "dot", "dot_product", "euclidean", "manhattan", "late_interaction". Throws core::Error(kUsage).
Similarity parse_similarity(std::string_view name);
std::string_view similarity_name(Similarity similarity);

// Throws core::Error(kRuntime) where the widths differ, or rows are several and the measure is not late
// interaction.
double score(Similarity similarity, const Embedding& query, const Embedding& document);

// To length 1 each, as torch.nn.functional.normalize with eps 1e-12.
void normalize_rows(Embedding& embedding);

}  // namespace vulcap::loader
