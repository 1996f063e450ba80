#include "loader/generation/run_generation.h"

#include <chrono>
#include <memory>

#include "loader/generation/stop_strings.h"
#include "loader/tokenizer/stream_decoder.h"

namespace vulcap::loader {
namespace {

using Clock = std::chrono::steady_clock;

// What generation drives; it also keeps the time of every call.
class TimedSteps : public generate::StepModel {
 public:
  TimedSteps(const GenerationRun& run, GenerationTiming& timing) : run_(run), timing_(timing) {}

  std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                              std::span<const int32_t> reorder) override {
    const auto begin = Clock::now();
    const auto logits = run_.step(ids, rows, length, reorder);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (first_) {
      timing_.prefill += seconds;
    } else {
      timing_.steps.push_back(seconds);
      timing_.rows.push_back(rows);
    }
    first_ = false;
    return logits;
  }
  int vocab_size() const override { return int(run_.vocab); }
  bool expands_prompt() const override { return run_.expands_prompt; }

 private:
  const GenerationRun& run_;
  GenerationTiming& timing_;
  bool first_ = true;
};

generate::Hooks make_hooks(const GenerationRun& run, const generate::GenerationConfig& config,
                           tokenizer::StreamDecoder& stream) {
  generate::Hooks hooks;
  hooks.on_warning = run.on_warning;
  hooks.processors = run.processors;
  hooks.on_scores = run.on_scores;
  if (run.on_text) {
    hooks.on_token = [&stream, &run](int row, int64_t id) {
      if (row == 0) run.on_text(stream.push(uint32_t(id)));
    };
  }
  if (!config.stop_strings.empty()) {
    hooks.stop_when = [stops = std::make_shared<StopStrings>(*run.tokenizer, config.stop_strings)](
                          std::span<const int64_t> ids) { return stops->ends(ids); };
  }
  return hooks;
}

}  // namespace

std::vector<std::vector<generate::Sequence>> run_generation(const GenerationRun& run,
                                                            const generate::Prompts& prompts,
                                                            const generate::GenerationConfig& config,
                                                            GenerationTiming& timing) {
  tokenizer::StreamDecoder stream(*run.tokenizer);
  if (run.on_text && !prompts.ids.empty()) stream.skip(prompts.ids[0]);
  const generate::Hooks hooks = make_hooks(run, config, stream);
  TimedSteps steps(run, timing);
  auto sequences = generate::generate(steps, prompts, config, hooks);
  if (run.on_text) run.on_text(stream.finish());
  return sequences;
}

}  // namespace vulcap::loader
