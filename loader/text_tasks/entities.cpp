#include "loader/text_tasks/entities.h"

#include <algorithm>

#include "loader/text_tasks/label_scores.h"
#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

size_t best(const std::vector<float>& scores) {
  return size_t(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

// Where tokens inside a word carry no mark: no space right before the token nor at its start.
bool follows_without_space(std::u32string_view text, size_t begin) {
  return begin > 0 && text.substr(begin - 1, 2).find(U' ') == std::u32string_view::npos;
}

Entity labelled(const std::vector<float>& scores, const std::vector<std::string>& labels) {
  const size_t id = best(scores);
  Entity entity;
  entity.label = labels.at(id);
  entity.score = scores[id];
  return entity;
}

std::vector<float> mean_scores(std::span<const ScoredToken> word) {
  std::vector<float> mean(word[0].scores.size());
  for (const ScoredToken& token : word) {
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += token.scores[i];
  }
  for (float& value : mean) value /= float(word.size());
  return mean;
}

Entity word_entity(std::span<const ScoredToken> word, Aggregation strategy,
                   const std::vector<std::string>& labels, const JoinTokens& join) {
  Entity entity;
  if (strategy == Aggregation::kAverage) {
    entity = labelled(mean_scores(word), labels);
  } else if (strategy == Aggregation::kMax) {
    const auto surest = std::max_element(word.begin(), word.end(), [](const auto& a, const auto& b) {
      return a.scores[best(a.scores)] < b.scores[best(b.scores)];
    });
    entity = labelled(surest->scores, labels);
  } else {
    entity = labelled(word[0].scores, labels);
  }
  std::vector<std::string> pieces;
  for (const ScoredToken& token : word) pieces.push_back(token.word);
  entity.word = join(std::move(pieces));
  entity.span = {word.front().span.begin, word.back().span.end};
  return entity;
}

std::vector<Entity> word_entities(const std::vector<ScoredToken>& tokens, Aggregation strategy,
                                  const std::vector<std::string>& labels, const JoinTokens& join) {
  std::vector<Entity> entities;
  for (size_t begin = 0, end = 0; begin < tokens.size(); begin = end) {
    end = begin + 1;
    while (end < tokens.size() && tokens[end].is_subword) ++end;
    entities.push_back(word_entity(std::span(tokens).subspan(begin, end - begin), strategy, labels, join));
  }
  return entities;
}

std::vector<Entity> token_entities(const std::vector<ScoredToken>& tokens,
                                   const std::vector<std::string>& labels) {
  std::vector<Entity> entities;
  for (const ScoredToken& token : tokens) {
    Entity entity = labelled(token.scores, labels);
    entity.index = token.index;
    entity.word = token.word;
    entity.span = token.span;
    entities.push_back(std::move(entity));
  }
  return entities;
}

// "B-PER" begins a PER; "I-PER", and a label without such a mark, continues one.
bool begins(std::string_view label) { return label.starts_with("B-"); }
std::string_view tag(std::string_view label) {
  return label.starts_with("B-") || label.starts_with("I-") ? label.substr(2) : label;
}

Entity group_entity(std::span<const Entity> group, const JoinTokens& join) {
  const std::string& label = group.front().label;
  Entity result;
  const size_t dash = label.find('-');
  result.label = dash == std::string::npos ? label : label.substr(dash + 1);
  std::vector<std::string> words;
  for (const Entity& entity : group) {
    result.score += entity.score / float(group.size());
    words.push_back(entity.word);
  }
  result.word = join(std::move(words));
  result.span = {group.front().span.begin, group.back().span.end};
  return result;
}

}  // namespace

Aggregation aggregation_named(std::string_view name) {
  if (name == "none") return Aggregation::kNone;
  if (name == "simple") return Aggregation::kSimple;
  if (name == "first") return Aggregation::kFirst;
  if (name == "average") return Aggregation::kAverage;
  if (name == "max") return Aggregation::kMax;
  throw core::Error(
      core::ErrorCode::kUsage,
      "aggregation_strategy is none, simple, first, average or max, not '" + std::string(name) + "'");
}

std::vector<ScoredToken> score_tokens(const tokenizer::Encoding& encoding, std::span<const float> logits,
                                      size_t labels, std::u32string_view text,
                                      const tokenizer::Tokenizer& tokenizer) {
  const auto unknown = tokenizer.special_id("unk_token");
  std::vector<ScoredToken> tokens;
  for (size_t i = 0; i < encoding.size(); ++i) {
    if (encoding.special_tokens_mask[i] != 0) continue;
    ScoredToken token;
    token.word = tokenizer.token_of(encoding.ids[i]).value_or("");
    token.scores = softmax(logits.subspan(i * labels, labels));
    token.index = i;
    token.span = encoding.offsets[i];
    const std::u32string_view source =
        text.substr(std::min<size_t>(token.span.begin, text.size()), token.span.end - token.span.begin);
    token.is_subword = tokenizer.marks_subwords()
                           ? tokenizer::to_code_points(token.word).size() != source.size()
                           : follows_without_space(text, token.span.begin);
    if (unknown == encoding.ids[i]) {
      token.word = tokenizer::to_utf8(source);
      token.is_subword = false;
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::vector<Entity> aggregate(const std::vector<ScoredToken>& tokens, Aggregation strategy,
                              const std::vector<std::string>& labels, const JoinTokens& join) {
  if (strategy == Aggregation::kNone) return token_entities(tokens, labels);
  const std::vector<Entity> entities = strategy == Aggregation::kSimple
                                           ? token_entities(tokens, labels)
                                           : word_entities(tokens, strategy, labels, join);
  std::vector<Entity> groups;
  for (size_t begin = 0, end = 0; begin < entities.size(); begin = end) {
    end = begin + 1;
    while (end < entities.size() && !begins(entities[end].label) &&
           tag(entities[end].label) == tag(entities[end - 1].label)) {
      ++end;
    }
    groups.push_back(group_entity(std::span(entities).subspan(begin, end - begin), join));
  }
  return groups;
}

std::vector<Entity> without_overlaps(std::vector<Entity> entities) {
  if (entities.empty()) return entities;
  std::stable_sort(entities.begin(), entities.end(),
                   [](const Entity& a, const Entity& b) { return a.span.begin < b.span.begin; });
  const auto length = [](const Entity& entity) { return entity.span.end - entity.span.begin; };
  std::vector<Entity> kept{entities.front()};
  // The reference compares the first entity with itself and so gives one of no length twice.
  for (size_t i = length(entities.front()) == 0 ? 0 : 1; i < entities.size(); ++i) {
    Entity& before = kept.back();
    const Entity& entity = entities[i];
    if (entity.span.begin >= before.span.end) {
      kept.push_back(entity);
    } else if (length(entity) > length(before) ||
               (length(entity) == length(before) && entity.score > before.score)) {
      before = entity;
    }
  }
  return kept;
}

}  // namespace vulcap::loader
