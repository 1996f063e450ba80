#include "loader/families/text_generator_base.h"

#include <algorithm>
#include <chrono>

#include "loader/families/model_folder.h"
#include "runtime/core/error.h"
#include "runtime/generate/top_k.h"

namespace vulcap::loader {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

ChosenToken chosen_token(int64_t id, std::span<const float> scores, size_t likely) {
  ChosenToken token{id, scores[size_t(id)], {}};
  std::vector<generate::Candidate> best;
  generate::top_k(scores, std::min(likely, scores.size()), best);
  for (const generate::Candidate& candidate : best)
    token.likely.emplace_back(candidate.index, candidate.score);
  return token;
}

}  // namespace

bool TokenBatch::padded() const {
  return std::any_of(padding.begin(), padding.end(), [](int32_t count) { return count > 0; });
}

TextGeneratorBase::TextGeneratorBase(const std::filesystem::path& dir, const nlohmann::json& config,
                                     const LoadOptions& options)
    : dir_(dir), options_(options), tokenizer_(tokenizer::Tokenizer::load(dir)) {
  sources_ = generation_sources(dir, config);
  const auto tasks = config.find("task_specific_params");
  if (tasks == config.end() || !tasks->is_object() || tasks->empty()) return;
  std::string names;
  for (const auto& [name, params] : tasks->items()) names += (names.empty() ? "" : ", ") + name;
  remarks_.push_back("config.json: task_specific_params (" + names +
                     ") are not applied; write their prefix into the prompt and their settings as options");
}

void TextGeneratorBase::load_decoder(session::Device& device, const ModelFiles& files,
                                     const DecoderNeeds& needs) {
  decoder_ = std::make_unique<TextDecoder>(device, files.require_decoders(needs), options_);
  description_.insert(description_.end(), decoder_->description().begin(), decoder_->description().end());
  if (const auto remark = vocabulary_remark(tokenizer_.vocab_size(), *decoder_)) remarks_.push_back(*remark);
}

generate::GenerationConfig TextGeneratorBase::generation_config(const GenerationFlags& flags,
                                                                std::vector<std::string>& warnings) const {
  return with_flags(sources_, flags, warnings);
}

int64_t TextGeneratorBase::padding_id(const generate::GenerationConfig& config) const {
  if (const auto pad = tokenizer_.special_id("pad_token")) return int64_t(*pad);
  if (config.pad_token_id) return *config.pad_token_id;
  if (!config.eos_token_id.empty()) return config.eos_token_id[0];
  throw core::Error(core::ErrorCode::kUsage,
                    "prompts of different lengths need padding, but " + dir_.string() +
                        " names no pad token; pass --pad-token-id, or one prompt at a time");
}

TokenBatch TextGeneratorBase::tokenize(const TextRequest& request,
                                       const generate::GenerationConfig& config) const {
  TokenBatch batch;
  size_t longest = 0;
  for (const std::string& prompt : request.prompts) {
    tokenizer::EncodeOptions options;
    options.add_special_tokens = request.add_special_tokens;
    const auto ids = tokenizer_.encode(prompt, options).ids;
    batch.ids.emplace_back(ids.begin(), ids.end());
    if (ids.empty()) batch.ids.back() = empty_prompt(config);
    longest = std::max(longest, batch.ids.back().size());
  }
  for (std::vector<int64_t>& ids : batch.ids) {
    const size_t missing = longest - ids.size();
    batch.padding.push_back(int32_t(missing));
    if (missing == 0) continue;
    const auto at = padding_side() == tokenizer::Side::kLeft ? ids.begin() : ids.end();
    ids.insert(at, missing, padding_id(config));
  }
  return batch;
}

GeneratedText TextGeneratorBase::make_text(generate::Sequence sequence, size_t prompt) const {
  GeneratedText result;
  result.text = tokenizer_.decode(std::span<const int64_t>(sequence.ids));
  result.new_ids.assign(sequence.ids.begin() + std::ptrdiff_t(prompt),
                        sequence.ids.begin() + sequence.length);
  const std::string before = tokenizer_.decode(std::span<const int64_t>(sequence.ids).first(prompt));
  result.new_text = result.text.starts_with(before)
                        ? result.text.substr(before.size())
                        : tokenizer_.decode(std::span<const int64_t>(result.new_ids));
  result.ids = std::move(sequence.ids);
  result.score = sequence.score;
  return result;
}

GenerationRun TextGeneratorBase::make_run(const TextRequest& request, std::vector<std::string>& warnings) {
  GenerationRun run;
  run.tokenizer = &tokenizer_;
  run.step = [this](auto ids, int rows, int length, auto reorder) {
    return decoder_->step(ids, rows, length, reorder);
  };
  run.vocab = decoder_->vocab();
  run.on_text = request.on_text;
  run.on_warning = [&warnings](const std::string& line) { warnings.push_back(line); };
  run.expands_prompt = continues_prompts();
  return run;
}

TextResult TextGeneratorBase::generate(const TextRequest& request, const generate::GenerationConfig& config) {
  TextResult result;
  const auto begin = Clock::now();
  const TokenBatch batch = tokenize(request, config);
  const generate::Prompts prompts = make_prompts(batch, config);
  std::vector<std::string> unused;  // the run says it again
  const generate::Lengths lengths =
      generate::resolve_lengths(config, int64_t(prompts.ids.at(0).size()), unused);
  check_lengths(batch, lengths);
  decoder_->reserve(lengths.max);
  const auto encode_begin = Clock::now();
  start(batch, config);
  result.timing.encode = seconds_since(encode_begin);

  GenerationRun run = make_run(request, result.warnings);
  std::vector<std::vector<ChosenToken>> chosen(
      batch.ids.size() * size_t(std::max(config.num_beams, config.num_return_sequences)));
  if (request.likely > 0) {
    run.on_scores = [&](int row, int64_t id, std::span<const float> scores) {
      chosen.at(size_t(row)).push_back(chosen_token(id, scores, request.likely));
    };
  }
  GenerationTiming timing;
  auto sequences = run_generation(run, prompts, config, timing);
  result.timing.prefill = timing.prefill;
  result.timing.steps = std::move(timing.steps);
  for (auto& item : sequences) {
    std::vector<GeneratedText> texts;
    for (generate::Sequence& sequence : item)
      texts.push_back(make_text(std::move(sequence), prompts.ids.at(0).size()));
    result.texts.push_back(std::move(texts));
  }
  if (request.likely > 0 && config.num_beams == 1) {
    size_t row = 0;
    for (auto& texts : result.texts) {
      for (GeneratedText& text : texts) text.tokens = std::move(chosen.at(row++));
    }
  }
  result.timing.total = seconds_since(begin);
  return result;
}

std::vector<std::string> TextGeneratorBase::description() const { return description_; }

std::vector<std::string> TextGeneratorBase::warnings() const {
  std::vector<std::string> all = remarks_;
  all.insert(all.end(), decoder_->remarks().begin(), decoder_->remarks().end());
  return all;
}

Fallbacks TextGeneratorBase::fallbacks() const { return count_fallbacks(plans()); }

}  // namespace vulcap::loader
