// Task automatic-speech-recognition: a sound file -> sequences, texts, texts_with_special,
// texts_with_timestamps; decoder_prompt; and of the first pass each step's token, score and distance to the
// second (one_pass_greedy).
#include "loader/audio/read_audio.h"
#include "loader/tasks/transcriber.h"
#include "loader/tokenizer/tokenizer.h"
#include "loader/verify/pipeline.h"
#include "runtime/generate/top_k.h"

namespace vulcap::loader {
namespace {

using nlohmann::json;

constexpr double kScoreTolerance = 1e-3;

// The two best tokens of every step.
class BestTokens : public generate::LogitsProcessor {
 public:
  void apply(int64_t, std::span<const int64_t>, std::span<float> scores) override {
    generate::top_k(scores, 2, steps_.emplace_back());
  }
  const std::vector<std::vector<generate::Candidate>>& steps() const { return steps_; }

 private:
  std::vector<std::vector<generate::Candidate>> steps_;
};

void compare(const json& got, const json& want, const std::string& what, VerifyRow& row) {
  if (got != want && row.note.empty()) row.note = what + " " + got.dump() + ", expected " + want.dump();
}

void compare_steps(const BestTokens& best, const json& want, VerifyRow& row) {
  if (best.steps().size() < want.size() && row.note.empty())
    row.note =
        "got " + std::to_string(best.steps().size()) + " steps, expected " + std::to_string(want.size());
  for (size_t i = 0; i < std::min(best.steps().size(), want.size()); ++i) {
    const auto& step = best.steps()[i];
    const std::string name = "step " + std::to_string(i);
    compare(step.at(0).index, want[i].at(0), "token of " + name, row);
    compare_number(step[0].score, want[i].at(1).get<double>(), kScoreTolerance, "the score of " + name, row);
    compare_number(double(step[0].score) - double(step.at(1).score), want[i].at(2).get<double>(),
                   kScoreTolerance, "the lead of " + name, row);
  }
}

void compare_text(const json& expected, const char* key, const std::string& text, VerifyRow& row) {
  const auto texts = expected.find(key);
  if (texts != expected.end()) compare(text, texts->at(0), key, row);
}

class Cases {
 public:
  explicit Cases(const PipelineRun& run) : run_(run), tokenizer_(tokenizer::Tokenizer::load(run.dir)) {
    transcriber_ = load_transcriber(run.dir, run.device, run.options.load);
  }

  void verify(const json& item, size_t index) {
    verify_case(run_, case_name(item, index), [&](VerifyRow& row) {
      const std::filesystem::path file(item.at("input").get<std::string>());
      row.output = file.filename().string();
      const auto audio = audio::read_audio(find_input(run_.dir, "audio", row.output));
      std::vector<std::string> warnings;
      auto config = transcriber_->config(flags_of(item.value("params", json::object())), warnings);
      BestTokens best;
      config.observers.push_back(&best);
      const Transcription result = transcriber_->transcribe(audio, config);
      compare_answer(result, item, row);
      const auto one_pass = item.find("one_pass_greedy");
      if (one_pass != item.end() && one_pass->is_object()) compare_steps(best, one_pass->at("steps"), row);
    });
  }

 private:
  void compare_answer(const Transcription& result, const json& item, VerifyRow& row) const {
    if (item.contains("decoder_prompt"))
      compare(result.prompt, item["decoder_prompt"], "decoder_prompt", row);
    const json& expected = item.at("expected");
    compare(json::array({result.ids}), expected.at("sequences"), "ids", row);
    compare_text(expected, "texts", result.text, row);
    compare_text(expected, "texts_with_special",
                 tokenizer_.decode(std::span<const int64_t>(result.ids), false), row);
    compare_text(expected, "texts_with_timestamps", result.text_with_timestamps, row);
  }

  const PipelineRun& run_;
  tokenizer::Tokenizer tokenizer_;
  std::unique_ptr<Transcriber> transcriber_;
};

}  // namespace

int verify_transcriptions(const PipelineRun& run) {
  std::optional<Cases> cases;
  if (!load_for_pipeline(run, [&] { cases.emplace(run); })) return 1;
  const json& items = run.pipeline.at("cases");
  for (size_t i = 0; i < items.size(); ++i) cases->verify(items[i], i);
  return int(items.size());
}

}  // namespace vulcap::loader
