#include "loader/embeddings/embedding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

constexpr std::array kNames = {
    std::pair<std::string_view, Similarity>("cosine", Similarity::kCosine),
    std::pair<std::string_view, Similarity>("dot", Similarity::kDot),
    std::pair<std::string_view, Similarity>("dot_product", Similarity::kDot),
    std::pair<std::string_view, Similarity>("euclidean", Similarity::kEuclidean),
    std::pair<std::string_view, Similarity>("manhattan", Similarity::kManhattan),
    std::pair<std::string_view, Similarity>("late_interaction", Similarity::kLateInteraction),
};
constexpr double kSmallestLength = 1e-12;

using Vector = std::span<const float>;

double dot(Vector a, Vector b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * double(b[i]);
  return sum;
}

double length(Vector a) { return std::max(std::sqrt(dot(a, a)), kSmallestLength); }

double late_interaction(const Embedding& query, const Embedding& document) {
  double sum = 0;
  for (int64_t i = 0; i < query.rows; ++i) {
    double best = -std::numeric_limits<double>::infinity();
    for (int64_t j = 0; j < document.rows; ++j) best = std::max(best, dot(query.row(i), document.row(j)));
    sum += best;
  }
  return sum;
}

double distance(Similarity similarity, Vector a, Vector b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = double(a[i]) - double(b[i]);
    sum += similarity == Similarity::kManhattan ? std::abs(difference) : difference * difference;
  }
  return similarity == Similarity::kManhattan ? sum : std::sqrt(sum);
}

void check_comparable(Similarity similarity, const Embedding& query, const Embedding& document) {
  if (query.width != document.width) {
    throw core::Error(core::ErrorCode::kRuntime, "embeddings of width " + std::to_string(query.width) +
                                                     " and " + std::to_string(document.width) +
                                                     " cannot be compared; use one model for both");
  }
  const bool is_single = query.rows == 1 && document.rows == 1;
  if (similarity == Similarity::kLateInteraction ? query.rows > 0 && document.rows > 0 : is_single) return;
  throw core::Error(core::ErrorCode::kRuntime,
                    "embeddings of " + std::to_string(query.rows) + " and " + std::to_string(document.rows) +
                        " vectors cannot be compared by " + std::string(similarity_name(similarity)) +
                        (similarity == Similarity::kLateInteraction ? "" : "; use late_interaction"));
}

}  // namespace

Similarity parse_similarity(std::string_view name) {
  for (const auto& [known, similarity] : kNames) {
    if (known == name) return similarity;
  }
  throw core::Error(core::ErrorCode::kUsage,
                    "unknown similarity '" + std::string(name) +
                        "'; use cosine, dot, euclidean, manhattan or late_interaction");
}

std::string_view similarity_name(Similarity similarity) {
  return std::find_if(kNames.begin(), kNames.end(),
                      [&](const auto& entry) { return entry.second == similarity; })
      ->first;
}

double score(Similarity similarity, const Embedding& query, const Embedding& document) {
  check_comparable(similarity, query, document);
  if (similarity == Similarity::kLateInteraction) return late_interaction(query, document);
  const Vector a = query.row(0);
  const Vector b = document.row(0);
  switch (similarity) {
    case Similarity::kCosine:
      return dot(a, b) / (length(a) * length(b));
    case Similarity::kDot:
      return dot(a, b);
    default:
      return -distance(similarity, a, b);
  }
}

void normalize_rows(Embedding& embedding) {
  for (int64_t i = 0; i < embedding.rows; ++i) {
    const auto row =
        std::span(embedding.values).subspan(size_t(i * embedding.width), size_t(embedding.width));
    const double size = length(row);
    for (float& value : row) value = float(value / size);
  }
}

}  // namespace vulcap::loader
