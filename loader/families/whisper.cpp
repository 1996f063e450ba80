// Whisper: input_features -> hidden states -> tokens by cross-attention, window after window. Follows
// transformers 4.57 WhisperForConditionalGeneration.generate and WhisperFeatureExtractor; files in optimum's
// and the onnx-community layout.
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "loader/audio/mel_features.h"
#include "loader/audio/resample.h"
#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "loader/generation/text_decoder.h"
#include "loader/generation/token_embeddings.h"
#include "loader/read_json.h"
#include "loader/speech/decoder_prompt.h"
#include "loader/speech/fallback.h"
#include "loader/speech/segments.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/core/error.h"
#include "runtime/generate/softmax.h"
#include "runtime/generate/timestamp_rules.h"
#include "runtime/session/session.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using speech::TranscriptionConfig;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A condition on the text before helps only where that text was not sampled from a flat distribution.
constexpr double kLowTemperature = 0.5;

int64_t positions(const fs::path& dir, const nlohmann::json& config, const char* key, int64_t usual) {
  constexpr int64_t kMost = 65536;
  const int64_t value = first_integer(config, {key}).value_or(usual);
  if (value >= 1 && value <= kMost) return value;
  throw core::Error(core::ErrorCode::kInvalidModel, (dir / "config.json").string() + ": " + key +
                                                        " must be 1 to 65536, not " + std::to_string(value));
}

struct Pass {
  std::vector<int64_t> ids;  // without prompt and end token
  bool good = false;         // meets the thresholds
  bool silent = false;       // holds no speech
};

class Whisper : public Transcriber {
 public:
  Whisper(const fs::path& dir, const nlohmann::json& config, session::Device& device,
          const LoadOptions& options);

  TranscriptionConfig config(const GenerationFlags& flags, std::vector<std::string>& warnings) const override;
  Transcription transcribe(const audio::Audio& audio, const TranscriptionConfig& config,
                           const OnSegment& on_segment) override;
  std::vector<std::string> description() const override { return description_; }
  std::vector<std::string> warnings() const override;
  Fallbacks fallbacks() const override;

 private:
  class Run;

  void load_encoder(const OnnxFile& file, session::Device& device, const LoadOptions& options);
  // Runs the encoder on the frames from `seek` on, zeros behind the last.
  void encode(const audio::MelFeatures& features, int64_t seek);
  // Logits behind these tokens, from the states of the last encode().
  std::span<const float> score(std::span<const int64_t> ids);
  int64_t timestamp_begin(const TranscriptionConfig& config) const {
    return config.no_timestamps_token_id.value_or(decoder_->vocab()) + 1;
  }

  void remark(const std::string& line) {
    if (std::find(remarks_.begin(), remarks_.end(), line) == remarks_.end()) remarks_.push_back(line);
  }

  fs::path dir_;
  nlohmann::json config_;
  std::optional<nlohmann::json> generation_config_;
  tokenizer::Tokenizer tokenizer_;
  audio::MelConfig mel_;
  int64_t max_target_positions_ = 0;
  int64_t window_frames_ = 0;  // feature frames that the encoder takes
  std::unique_ptr<session::Session> encoder_;
  session::Program* encoder_program_ = nullptr;
  std::string states_name_;
  session::EncoderOutput states_;
  std::unique_ptr<TextDecoder> decoder_;
  std::vector<std::string> remarks_;
  std::vector<std::string> description_;
};

Whisper::Whisper(const fs::path& dir, const nlohmann::json& config, session::Device& device,
                 const LoadOptions& options)
    : dir_(dir), config_(config), tokenizer_(tokenizer::Tokenizer::load(dir)) {
  const fs::path settings = dir / "preprocessor_config.json";
  mel_ = audio::parse_mel_config(read_json_object(settings), settings.string());
  const fs::path generation = dir / "generation_config.json";
  if (fs::exists(generation)) generation_config_ = read_json_object(generation);
  max_target_positions_ = positions(dir, config, "max_target_positions", 448);
  window_frames_ = speech::kFramesPerToken * positions(dir, config, "max_source_positions", 1500);
  const ModelFiles files(dir, options.dtype);
  load_encoder(files.require(speech_encoder_role()), device, options);
  decoder_ =
      std::make_unique<TextDecoder>(device, files.require_decoders({.cross_attention = true}), options);
  decoder_->reserve(max_target_positions_);
  description_.insert(description_.end(), decoder_->description().begin(), decoder_->description().end());
}

void Whisper::load_encoder(const OnnxFile& file, session::Device& device, const LoadOptions& options) {
  encoder_ = std::make_unique<session::Session>(device, load_graph(file, options), passes_for(file, options));
  description_.push_back(describe_file("encoder", file, options));
  const graph::Graph& graph = encoder_->graph();
  states_name_ = graph.value(graph.outputs.at(0)).name;
  const auto& shape = graph.value(graph.inputs.at(0)).shape;
  const std::pair<size_t, int64_t> wanted[] = {{1, mel_.feature_size}, {2, window_frames_}};
  for (const auto& [axis, size] : wanted) {
    if (!shape || shape->size() != 3 || !(*shape)[axis].is_constant() || (*shape)[axis].value() == size)
      continue;
    throw core::Error(core::ErrorCode::kInvalidModel,
                      file.path.string() + ": takes " + std::to_string((*shape)[axis].value()) +
                          (axis == 1 ? " mel bands, but preprocessor_config.json makes "
                                     : " frames, but config.json's max_source_positions means ") +
                          std::to_string(size));
  }
}

TranscriptionConfig Whisper::config(const GenerationFlags& flags, std::vector<std::string>& warnings) const {
  return speech::read_transcription_config({generation_config_, config_, flags}, warnings);
}

std::vector<std::string> Whisper::warnings() const {
  std::vector<std::string> all = mel_.warnings;
  all.insert(all.end(), remarks_.begin(), remarks_.end());
  all.insert(all.end(), decoder_->remarks().begin(), decoder_->remarks().end());
  return all;
}

Fallbacks Whisper::fallbacks() const {
  std::vector<const plan::Plan*> plans = decoder_->plans();
  plans.push_back(encoder_program_ != nullptr ? &encoder_program_->plan() : nullptr);
  return count_fallbacks(plans);
}

void Whisper::encode(const audio::MelFeatures& features, int64_t seek) {
  core::Tensor window(core::DType::kF32, {1, features.mels, window_frames_});
  const auto values = window.mutable_as<float>();
  const int64_t frames = std::min(features.frames - seek, window_frames_);
  for (int64_t mel = 0; mel < features.mels; ++mel) {
    const auto row = features.data.begin() + mel * features.frames + seek;
    std::copy(row, row + frames, values.begin() + mel * window_frames_);
  }
  const graph::Value& input = encoder_->graph().value(encoder_->graph().inputs.at(0));
  encoder_program_ = &encoder_->prepare({{input.name, as_float(window, input.dtype)}});
  encoder_program_->run();
  states_ = output_of(*encoder_program_, states_name_);
}

std::span<const float> Whisper::score(std::span<const int64_t> ids) {
  decoder_->start(states_);
  return decoder_->step(ids, 1, int(ids.size()), {});
}

// One recording.
class Whisper::Run {
 public:
  Run(Whisper& model, const TranscriptionConfig& config, const OnSegment& on_segment)
      : model_(model), config_(config), on_segment_(on_segment) {}

  Transcription transcribe(const audio::Audio& audio);

 private:
  bool decide_timestamps(const audio::MelFeatures& features);
  int64_t detect_language();
  void transcribe_window(const audio::MelFeatures& features);
  std::vector<int64_t> window_prompt();
  generate::GenerationConfig pass_config(double temperature, int64_t prompt_length) const;
  Pass run_pass(const std::vector<int64_t>& prompt, double temperature);
  Pass judge(Pass pass, std::span<const int64_t> with_end, double mean_logprob,
             const std::vector<int64_t>& prompt);
  double no_speech_probability(const std::vector<int64_t>& prompt);
  Pass best_pass(const std::vector<int64_t>& prompt);
  void add(const std::vector<speech::Segment>& segments);

  Whisper& model_;
  const TranscriptionConfig& config_;
  const OnSegment& on_segment_;
  Transcription result_;
  std::vector<speech::Segment> segments_;
  std::vector<int64_t> initial_;  // tokens from <|startoftranscript|> on
  std::vector<int64_t> words_;    // <|startofprev|> and the caller's prompt
  bool timestamps_ = false;
  bool condition_ = false;  // on the segments before
  int64_t seek_ = 0;        // first frame of the window
};

Transcription Whisper::Run::transcribe(const audio::Audio& audio) {
  const auto begin = Clock::now();
  const audio::MelFeatures features = audio::mel_features(
      audio::resample(audio.samples, audio.sampling_rate, model_.mel_.sampling_rate), model_.mel_);
  result_.timing.features = seconds_since(begin);
  timestamps_ = decide_timestamps(features);
  condition_ = config_.condition_on_prev_tokens;
  words_ = speech::prompt_tokens(config_, model_.tokenizer_);
  while (seek_ < features.frames) transcribe_window(features);
  const std::span<const int64_t> ids(result_.ids);
  result_.text = model_.tokenizer_.decode(ids);
  result_.text_with_timestamps =
      speech::text_with_timestamps(model_.tokenizer_, ids, model_.timestamp_begin(config_));
  result_.timing.total = seconds_since(begin);
  return std::move(result_);
}

// Without time stamps there is no telling where the next window begins.
bool Whisper::Run::decide_timestamps(const audio::MelFeatures& features) {
  const bool is_long = features.frames > model_.window_frames_;
  const bool wanted = config_.return_timestamps.value_or(false);
  if ((is_long || wanted) && !config_.no_timestamps_token_id) {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      model_.dir_.string() + ": generation_config.json lacks no_timestamps_token_id, which " +
                          (wanted ? "time stamps need" : "a recording longer than one window needs"));
  }
  if (is_long && !wanted)
    model_.remark("a recording is longer than the model's window of " +
                  std::to_string(model_.mel_.chunk_length) + " s: decoded with time stamps");
  return is_long || wanted;
}

int64_t Whisper::Run::detect_language() {
  const std::vector<int64_t> start{*config_.generation.decoder_start_token_id};
  const std::span<const float> logits = model_.score(start);
  int64_t best = -1;
  for (const auto& [token, id] : *config_.lang_to_id) {
    if (id < 0 || id >= int64_t(logits.size())) {
      throw core::Error(core::ErrorCode::kInvalidModel, model_.dir_.string() + ": lang_to_id." + token +
                                                            " is " + std::to_string(id) +
                                                            ", which the model does not score");
    }
    const float score = logits[size_t(id)];
    if (best < 0 || score > logits[size_t(best)] || (score == logits[size_t(best)] && id < best)) best = id;
  }
  if (best < 0)
    throw core::Error(core::ErrorCode::kInvalidModel, model_.dir_.string() + ": lang_to_id is empty");
  return best;
}

void Whisper::Run::transcribe_window(const audio::MelFeatures& features) {
  const auto begin = Clock::now();
  model_.encode(features, seek_);
  if (initial_.empty()) {
    initial_ = speech::initial_tokens(config_, timestamps_, [this] { return detect_language(); });
    for (const auto& [token, id] : config_.lang_to_id.value_or(speech::TokenIds{})) {
      const bool used = std::find(initial_.begin(), initial_.end(), id) != initial_.end();
      if (used && token.size() > 4) result_.language = token.substr(2, token.size() - 4);
    }
  }
  result_.timing.encode += seconds_since(begin);
  const std::vector<int64_t> prompt = window_prompt();
  if (result_.prompt.empty()) result_.prompt = prompt;
  const int64_t frames = std::min(features.frames - seek_, model_.window_frames_);
  const Pass pass = best_pass(prompt);
  if (pass.silent) {
    seek_ += frames;
    return;
  }
  const auto split = speech::split_window(pass.ids, {seek_, frames, model_.timestamp_begin(config_)});
  add(split.segments);
  seek_ += split.advance;
}

std::vector<int64_t> Whisper::Run::window_prompt() {
  std::vector<int64_t> prompt = speech::previous_tokens(
      config_,
      {words_, segments_, condition_, model_.timestamp_begin(config_), model_.max_target_positions_});
  prompt.insert(prompt.end(), initial_.begin(), initial_.end());
  return prompt;
}

generate::GenerationConfig Whisper::Run::pass_config(double temperature, int64_t prompt_length) const {
  generate::GenerationConfig config = config_.generation;
  if (temperature > 0) {
    config.do_sample = true;
    config.temperature = temperature;
    config.num_beams = 1;
  }
  std::vector<std::string> unused;
  const int64_t length = generate::resolve_lengths(config, prompt_length, unused).max;
  if (length > model_.max_target_positions_) {
    throw core::Error(core::ErrorCode::kUsage, "a transcription of up to " + std::to_string(length) +
                                                   " tokens, of which " + std::to_string(prompt_length) +
                                                   " are the prompt, is longer than the decoder's " +
                                                   std::to_string(model_.max_target_positions_) +
                                                   " positions; ask for fewer with --max-new-tokens");
  }
  return config;
}

Pass Whisper::Run::run_pass(const std::vector<int64_t>& prompt, double temperature) {
  const generate::GenerationConfig config = pass_config(temperature, int64_t(prompt.size()));
  model_.decoder_->start(model_.states_);
  GenerationRun run;
  run.step = [this](auto ids, int rows, int length, auto reorder) {
    return model_.decoder_->step(ids, rows, length, reorder);
  };
  run.vocab = model_.decoder_->vocab();
  run.tokenizer = &model_.tokenizer_;
  run.on_warning = [this](const std::string& line) { model_.remark(line); };
  const std::vector<int64_t>& ends = config.eos_token_id;
  const int64_t eos = ends.empty() ? config.bos_token_id.value_or(run.vocab) : ends[0];
  generate::TimestampRules rules(config_.no_timestamps_token_id.value_or(run.vocab), eos,
                                 int64_t(prompt.size()), config_.max_initial_timestamp_index);
  speech::LogProbabilities probabilities;
  if (timestamps_) run.processors.push_back(&rules);
  run.processors.insert(run.processors.end(), config_.observers.begin(), config_.observers.end());
  if (config_.logprob_threshold) run.processors.push_back(&probabilities);
  const generate::Sequence sequence =
      run_generation(run, {{prompt}, {}}, config, result_.timing.generation).at(0).at(0);
  const std::span<const int64_t> all = std::span(sequence.ids).first(size_t(sequence.length));
  const auto with_end = all.subspan(prompt.size());
  Pass pass{{with_end.begin(), with_end.end()}, true, false};
  if (!pass.ids.empty() && std::find(ends.begin(), ends.end(), pass.ids.back()) != ends.end())
    pass.ids.pop_back();
  return judge(std::move(pass), with_end, probabilities.mean(all), prompt);
}

Pass Whisper::Run::judge(Pass pass, std::span<const int64_t> with_end, double mean_logprob,
                         const std::vector<int64_t>& prompt) {
  const bool repetitive =
      config_.compression_ratio_threshold &&
      speech::compression_ratio(with_end, model_.decoder_->vocab()) > *config_.compression_ratio_threshold;
  const bool unlikely = config_.logprob_threshold && mean_logprob < *config_.logprob_threshold;
  pass.silent =
      config_.no_speech_threshold && unlikely && no_speech_probability(prompt) > *config_.no_speech_threshold;
  pass.good = pass.silent || !(repetitive || unlikely);
  return pass;
}

// Of <|nospeech|>, which stands before <|notimestamps|>, right behind <|startoftranscript|>.
double Whisper::Run::no_speech_probability(const std::vector<int64_t>& prompt) {
  const size_t start = prompt.size() - initial_.size();
  const auto logits = model_.score(std::span(prompt).first(start + 1));
  std::vector<float> probabilities(logits.size());
  generate::softmax(logits, probabilities);
  const int64_t token = config_.no_timestamps_token_id.value_or(0) - 1;
  if (token < 0 || token >= int64_t(probabilities.size()))
    throw core::Error(core::ErrorCode::kInvalidModel,
                      model_.dir_.string() +
                          ": no_speech_threshold needs no_timestamps_token_id in generation_config.json");
  return probabilities[size_t(token)];
}

Pass Whisper::Run::best_pass(const std::vector<int64_t>& prompt) {
  Pass pass;
  for (const double temperature : config_.temperatures) {
    pass = run_pass(prompt, temperature);
    condition_ = config_.condition_on_prev_tokens && temperature < kLowTemperature;
    if (pass.good) break;
  }
  return pass;
}

void Whisper::Run::add(const std::vector<speech::Segment>& segments) {
  for (const speech::Segment& segment : segments) {
    segments_.push_back(segment);
    result_.ids.insert(result_.ids.end(), segment.ids.begin(), segment.ids.end());
    result_.segments.push_back({segment.start, segment.end,
                                model_.tokenizer_.decode(std::span<const int64_t>(segment.ids)),
                                segment.ids});
    if (on_segment_) on_segment_(result_.segments.back());
  }
}

Transcription Whisper::transcribe(const audio::Audio& audio, const TranscriptionConfig& config,
                                  const OnSegment& on_segment) {
  return Run(*this, config, on_segment).transcribe(audio);
}

}  // namespace

std::unique_ptr<Transcriber> load_whisper(const fs::path& dir, const nlohmann::json& config,
                                          session::Device& device, const LoadOptions& options) {
  return std::make_unique<Whisper>(dir, config, device, options);
}

}  // namespace vulcap::loader
