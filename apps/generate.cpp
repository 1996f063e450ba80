#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "apps/cli/log.h"
#include "apps/task_command.h"
#include "loader/chat/chat_template.h"
#include "loader/tasks/text_generator.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  TaskOptions task;
  GenerationOptions generation;
  std::string file_name;
  size_t batch_size = 1;
  size_t top_n = 0;
  bool stream = false;
  bool chat = false;
  std::string system;
  std::optional<bool> full_text;
};

// What a prompt's text becomes before it is tokenised.
class Prompts {
 public:
  explicit Prompts(const Options& options) : options_(options) {
    if (!options.chat) {
      if (!options.system.empty()) throw core::Error(core::ErrorCode::kUsage, "--system belongs to --chat");
      return;
    }
    const auto dir = options.task.model.model_dir();
    template_ = chat::load_chat_template(dir);
    if (!template_) {
      throw core::Error(core::ErrorCode::kInvalidModel,
                        dir.string() +
                            ": no chat template in tokenizer_config.json, chat_template.jinja or "
                            "chat_template.json; leave out --chat");
    }
  }

  std::string text_of(const std::string& input) const {
    if (!template_) return input;
    chat::Json messages = chat::Json::array();
    if (!options_.system.empty()) messages.push_back({{"role", "system"}, {"content", options_.system}});
    messages.push_back({{"role", "user"}, {"content", input}});
    chat::RenderOptions render;
    render.add_generation_prompt = true;
    return template_->render(messages, render);
  }

 private:
  const Options& options_;
  std::optional<chat::ChatTemplate> template_;
};

bool wants_full_text(const Options& options, const loader::TextGenerator& generator) {
  return generator.continues_prompts() && options.full_text.value_or(!options.chat);
}

const std::string& shown(const loader::GeneratedText& text, bool full) {
  return full ? text.text : text.new_text;
}

nlohmann::json token_json(const loader::ChosenToken& token, const tokenizer::Tokenizer& tokenizer) {
  const auto entry = [&](int64_t id, float score) {
    return nlohmann::json{
        {"id", id}, {"token", tokenizer.token_of(uint32_t(id)).value_or("")}, {"score", score}};
  };
  nlohmann::json item = entry(token.id, token.score);
  item["likely"] = nlohmann::json::array();
  for (const auto& [id, score] : token.likely) item["likely"].push_back(entry(id, score));
  return item;
}

// As the pipelines of transformers, with ids and scores beside the text.
nlohmann::json texts_json(const std::vector<loader::GeneratedText>& texts, bool full,
                          const tokenizer::Tokenizer& tokenizer) {
  nlohmann::json list = nlohmann::json::array();
  for (const loader::GeneratedText& text : texts) {
    nlohmann::json item{{"generated_text", shown(text, full)}, {"ids", text.ids}, {"new_ids", text.new_ids}};
    if (text.score) item["score"] = *text.score;
    for (const loader::ChosenToken& token : text.tokens)
      item["tokens"].push_back(token_json(token, tokenizer));
    list.push_back(std::move(item));
  }
  return list;
}

std::string timing_line(const loader::TextResult& result) {
  const loader::TextTiming& t = result.timing;
  const double steps = std::accumulate(t.steps.begin(), t.steps.end(), 0.0);
  size_t tokens = 0;
  for (const auto& texts : result.texts) {
    for (const loader::GeneratedText& text : texts) tokens += text.new_ids.size();
  }
  char line[256];
  std::snprintf(
      line, sizeof line,
      "encode %.2f ms, prefill %.2f ms, %zu steps of %.2f ms, %zu tokens, %.1f tokens/s, total %.2f ms",
      t.encode * 1e3, t.prefill * 1e3, t.steps.size(),
      t.steps.empty() ? 0.0 : steps / double(t.steps.size()) * 1e3, tokens,
      double(tokens) / std::max(1e-9, t.prefill + steps), t.total * 1e3);
  return line;
}

void check_stream(const Options& options, const generate::GenerationConfig& config) {
  if (!options.stream) return;
  if (options.task.format != "text" || options.batch_size > 1 || config.num_beams > 1 ||
      config.num_return_sequences > 1) {
    throw core::Error(core::ErrorCode::kUsage,
                      "--stream prints one text as it comes: not with beams, several sequences, a batch or "
                      "--format json");
  }
}

class Run {
 public:
  Run(const Options& options, loader::TextGenerator& generator, const generate::GenerationConfig& config)
      : options_(options),
        generator_(generator),
        config_(config),
        prompts_(options),
        full_(wants_full_text(options, generator)) {}

  std::vector<TaskResult> answer(std::span<const std::string> inputs) {
    loader::TextRequest request;
    for (const std::string& input : inputs) request.prompts.push_back(prompts_.text_of(input));
    request.add_special_tokens = !options_.chat;
    request.likely = options_.top_n;
    if (options_.stream) {
      if (full_) std::printf("%s", request.prompts[0].c_str());
      request.on_text = [](const std::string& piece) {
        std::printf("%s", piece.c_str());
        std::fflush(stdout);
      };
    }
    const loader::TextResult result = generator_.generate(request, config_);
    remarks_.warn(result.warnings);
    log_detail(timing_line(result));
    std::vector<TaskResult> answers;
    for (const auto& texts : result.texts) {
      TaskResult answer;
      answer.json = texts_json(texts, full_, generator_.tokenizer());
      answer.shows_input = full_ || options_.stream;
      for (const loader::GeneratedText& text : texts)
        answer.text += (options_.stream ? "" : shown(text, full_)) + "\n";
      answers.push_back(std::move(answer));
    }
    return answers;
  }

 private:
  const Options& options_;
  loader::TextGenerator& generator_;
  const generate::GenerationConfig& config_;
  Prompts prompts_;
  bool full_;
  Remarks remarks_;
};

int run(const Options& options) {
  const session::OpenedDevice opened = options.task.open();
  loader::LoadOptions load = options.task.model.load_options();
  load.file = options.file_name;
  const auto generator = loader::load_text_generator(options.task.model.model_dir(), *opened.device, load);
  const TaskReport report(*generator);
  std::vector<std::string> warnings;
  const generate::GenerationConfig config = generator->generation_config(options.generation.flags, warnings);
  Remarks().warn(warnings);
  check_stream(options, config);
  Run run(options, *generator, config);
  return answer_all(options.task, options.task.read_inputs(), options.batch_size,
                    [&](std::span<const std::string> inputs) { return run.answer(inputs); });
}

}  // namespace

Command add_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("generate", "Continue or answer prompts with a language model");
  options->task.add_to(*command, "prompts", "Prompts");
  command->add_option(both_spellings("file-name"), options->file_name,
                      "Of several .onnx files that could play the same part, the one of this name");
  command->add_option("-b,--batch-size", options->batch_size, "Prompts that run together")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_flag("--stream", options->stream, "Print the text as it comes");
  command->add_flag("--chat", options->chat,
                    "Each prompt is a user's message; the folder's chat template makes the text of it");
  command->add_option("--system", options->system, "The system message of --chat");
  command->add_option(both_spellings("return-full-text"), options->full_text,
                      "Whether a continuation is printed behind its prompt; default: yes, but for --chat");
  command->add_option(both_spellings("top-n"), options->top_n,
                      "json: so many of the likeliest tokens with their scores at every step (no beams)");
  options->generation.add_to(*command);
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
