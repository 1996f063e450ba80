// Chat templates of a model folder: messages -> the text of a prompt, as apply_chat_template of transformers
// 4.57 writes it. The templates are Jinja; the subset that they use is interpreted here, within limits of
// time, memory and nesting, so that no template can hang or crash the program. Unknown to this interpreter
// are includes and inheritance, \N{...} in strings, varargs in macros, and mappings with keys other than
// strings.
//
// lexer -> parser (expression_parser) -> tree (ast) -> evaluator (builtins: filters, tests, methods)
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace vulcap::chat {

using Json = nlohmann::ordered_json;

struct RenderOptions {
  bool add_generation_prompt = false;
  Json tools;                   // JSON schemas of functions; null: none
  Json documents;               // null: none
  Json extra = Json::object();  // further variables of the template, over the folder's special tokens
  std::optional<std::tm> now;   // for strftime_now; the present local time where absent
};

class ChatTemplate {
 public:
  // `origin` begins every error line; `variables`: what the template sees besides the messages. Throws
  // core::Error(kInvalidModel), "origin: chat template line N: ...", for a source that is not Jinja.
  ChatTemplate(std::string_view source, std::string origin, Json variables = Json::object());
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `messages`: [{"role": "user", "content": "..."}, ...]; content may be a list of parts like {"type":
  // "image"} and {"type": "text", "text": "..."}. The result holds the special tokens, so it is tokenised
  // with add_special_tokens off. Throws core::Error: kRuntime when the template refuses the messages or does
  // not fit them, kInvalidModel when it exceeds the limits.
  std::string render(const Json& messages, const RenderOptions& options = {}) const;

 private:
  struct Tree;
  std::unique_ptr<const Tree> tree_;
  std::string origin_;
  Json variables_;
};

// The folder's templates by name ("default", "tool_use", ...): chat_template.json, or chat_template.jinja
// with additional_chat_templates/*.jinja, or chat_template of tokenizer_config.json (a string, or a list of
// named ones). Empty without any. Special tokens of the tokenizer are their variables.
std::map<std::string, ChatTemplate> load_chat_templates(const std::filesystem::path& dir);

// The one that transformers takes: of the given name, else "tool_use" where there are tools and such a
// template, else "default". Absent when the folder has no template at all. Throws core::Error(kInvalidModel)
// that names those there are when none of them fits.
std::optional<ChatTemplate> load_chat_template(const std::filesystem::path& dir, const std::string& name = "",
                                               bool with_tools = false);

}  // namespace vulcap::chat
