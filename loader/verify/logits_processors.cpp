// Task logits-processors: {"name", "input_ids", "scores"} -> scores after one processor, which the name tells
// with its arguments ("top_k 2, min_tokens_to_keep 4"); or, with "params", the distribution that sampling
// with these settings draws from. Prompts have 5 tokens.
#include <cmath>
#include <cstdio>
#include <limits>

#include "loader/generation_config.h"
#include "loader/verify/pipeline.h"
#include "runtime/core/error.h"
#include "runtime/generate/history_processors.h"
#include "runtime/generate/sampling_processors.h"
#include "runtime/generate/softmax.h"
#include "runtime/generate/token_processors.h"

namespace vulcap::loader {
namespace {

namespace gen = generate;
using Json = nlohmann::json;
using Ids = std::vector<int64_t>;
using Cutoff = gen::KeepAboveCutoff;

constexpr int64_t kPrompt = 5;

// What a processor is made from.
struct Case {
  std::string field;            // "top_k"
  std::vector<double> numbers;  // all that the name holds, in order
  int64_t vocab = 0;
  std::vector<Ids> prompts;

  double number(size_t i, double fallback = 0) const { return i < numbers.size() ? numbers[i] : fallback; }
  int64_t integer(size_t i, int64_t fallback = 0) const { return int64_t(number(i, double(fallback))); }
};

using Processor = std::unique_ptr<gen::LogitsProcessor>;

struct Maker {
  std::string_view field;
  Processor (*make)(const Case&);
};

template <typename T, typename... Args>
Processor made(Args&&... args) {
  return std::make_unique<T>(std::forward<Args>(args)...);
}

// Names without arguments stand for those of the reference's generator.
constexpr Maker kMakers[] = {
    {"temperature", [](const Case& c) { return made<gen::Temperature>(c.number(0)); }},
    {"top_k", [](const Case& c) { return made<gen::KeepTopK>(c.integer(0), c.integer(1, 1)); }},
    {"top_p", [](const Case& c) { return made<gen::KeepTopP>(c.number(0), c.integer(1, 1)); }},
    {"min_p", [](const Case& c) { return made<gen::KeepMinP>(c.number(0), c.integer(1, 1)); }},
    {"typical_p", [](const Case& c) { return made<gen::KeepTypical>(c.number(0), c.integer(1, 1)); }},
    {"epsilon_cutoff", [](const Case& c) { return made<Cutoff>(Cutoff::Kind::kEpsilon, c.number(0), 1); }},
    {"eta_cutoff", [](const Case& c) { return made<Cutoff>(Cutoff::Kind::kEta, c.number(0), 1); }},
    {"repetition_penalty", [](const Case& c) { return made<gen::RepetitionPenalty>(c.number(0), c.vocab); }},
    {"no_repeat_ngram_size", [](const Case& c) { return made<gen::NoRepeatNGram>(c.integer(0)); }},
    {"bad_words_ids",
     [](const Case& c) {
       const std::vector<Ids> words = {{4}, {5, 6}, {13, 12, 11}};
       return made<gen::BiasSequences>(gen::forbid_sequences(words, Ids{1}), c.vocab, "bad_words_ids");
     }},
    {"min_length", [](const Case& c) { return made<gen::SuppressTokens>(Ids{1}, 0, c.integer(0)); }},
    {"min_new_tokens",
     [](const Case& c) {
       return made<gen::SuppressTokens>(Ids{1, 2}, 0, c.integer(0) + c.integer(1));
     }},
    {"forced_bos_token_id",
     [](const Case& c) {
       return made<gen::ForceTokens>(Ids{c.integer(0)}, c.integer(1), c.vocab, "forced_bos_token_id");
     }},
    {"forced_eos_token_id",
     [](const Case& c) {
       return made<gen::ForceTokens>(Ids{1}, c.integer(0) - 1, c.vocab, "forced_eos_token_id");
     }},
    {"suppress_tokens",
     [](const Case&) {
       return made<gen::SuppressTokens>(Ids{0, 3, 39}, 0, std::numeric_limits<int64_t>::max());
     }},
    {"begin_suppress_tokens",
     [](const Case& c) {
       return made<gen::SuppressTokens>(Ids{2, 4}, c.integer(0), c.integer(0) + 1);
     }},
    {"sequence_bias",
     [](const Case& c) {
       const std::vector<gen::SequenceBias> biases = {{{7}, 3.5F}, {{5, 8}, -4.0F}, {{12, 13, 9}, 2.0F}};
       return made<gen::BiasSequences>(biases, c.vocab, "sequence_bias");
     }},
    {"exponential_decay_length_penalty",
     [](const Case& c) {
       return made<gen::DecayLengthPenalty>(gen::ExponentialDecay{c.integer(0), c.number(1)}, Ids{1},
                                            c.integer(2), c.vocab);
     }},
    {"encoder_no_repeat_ngram_size",
     [](const Case& c) { return made<gen::EncoderNoRepeatNGram>(c.integer(0), c.prompts, 1); }},
    {"encoder_repetition_penalty",
     [](const Case& c) { return made<gen::EncoderRepetitionPenalty>(c.number(0), c.prompts, c.vocab); }},
    {"renormalize_logits", [](const Case&) { return made<gen::NormalizeLogits>(); }},
    {"remove_invalid_values", [](const Case&) { return made<gen::RemoveInvalidValues>(); }},
};

std::vector<double> numbers_in(const std::string& text) {
  std::vector<double> numbers;
  for (size_t at = 0; (at = text.find_first_of("0123456789", at)) != std::string::npos;) {
    size_t length = 0;
    numbers.push_back(std::stod(text.substr(at), &length));
    at += length;
  }
  return numbers;
}

gen::ProcessorList processors_for(const Json& item, Case told) {
  if (item.contains("params")) {
    GenerationSources sources;
    sources.flags = flags_of(item["params"]);
    sources.flags.emplace_back("do-sample", "true");
    if (!item["params"].contains("top_k")) sources.flags.emplace_back("top-k", "0");
    return gen::build_processors(
        load_generation_config(sources).config,
        {.vocab_size = told.vocab, .lengths = {kPrompt, 1000, 0}, .encoder_ids = {}, .extra = {}});
  }
  const std::string name = item.at("name");
  told.field = name.substr(0, name.find(' '));
  told.numbers = numbers_in(name.substr(told.field.size()));
  gen::ProcessorList list;
  for (const Maker& maker : kMakers) {
    if (maker.field == told.field) list.push_back(maker.make(told));
  }
  if (list.empty()) throw core::Error(core::ErrorCode::kInvalidModel, "no processor is called " + told.field);
  return list;
}

void verify_processor(const PipelineRun& run, const Json& item, size_t index) {
  verify_case(run, case_name(item, index), [&](VerifyRow& row) {
    const auto ids = item.at("input_ids").get<std::vector<Ids>>();
    Case told;
    told.vocab = int64_t(item.at("scores").at(0).size());
    for (const Ids& sequence : ids)
      told.prompts.emplace_back(sequence.begin(),
                                sequence.begin() + std::min<int64_t>(kPrompt, int64_t(sequence.size())));
    const gen::ProcessorList list = processors_for(item, told);
    const bool distribution = item.contains("params");
    const Json& want = distribution ? item.at("expected").at("probabilities") : item.at("expected");
    for (size_t i = 0; i < ids.size(); ++i) {
      std::vector<float> scores;
      for (const Json& value : item.at("scores").at(i)) scores.push_back(float(number_of(value)));
      gen::apply_all(list, int64_t(i), ids[i], scores);
      if (distribution) gen::softmax(scores, scores);
      for (size_t j = 0; j < scores.size(); ++j) {
        const double wanted = number_of(want.at(i).at(j));
        const double allowed = item.value("atol", 1e-5) + item.value("rtol", 1e-5) * std::abs(wanted);
        compare_number(double(scores[j]), wanted, std::isfinite(allowed) ? allowed : 0,
                       "score " + std::to_string(j) + " of row " + std::to_string(i), row);
      }
    }
  });
}

}  // namespace

int verify_logits_processors(const PipelineRun& run) {
  const Json& cases = run.pipeline.at("cases");
  for (size_t i = 0; i < cases.size(); ++i) verify_processor(run, cases[i], i);
  return int(cases.size());
}

}  // namespace vulcap::loader
