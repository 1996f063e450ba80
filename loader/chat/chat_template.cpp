#include "loader/chat/chat_template.h"

#include <algorithm>

#include "loader/chat/evaluator.h"
#include "loader/chat/parser.h"
#include "loader/open_regular.h"
#include "loader/read_json.h"
#include "loader/tokenizer/tokenizer_config.h"
#include "runtime/core/error.h"

namespace vulcap::chat {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSource = size_t(4) << 20;

[[noreturn]] void invalid(const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel, message);
}

std::tm local_time() {
  const std::time_t seconds = std::time(nullptr);
  std::tm now{};
  localtime_r(&seconds, &now);
  return now;
}

struct Source {
  std::string text;
  std::string origin;
};
using Sources = std::map<std::string, Source>;

std::string read_text(const fs::path& path) {
  const auto file = loader::open_regular(path);
  const auto bytes = file->bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// "chat_template" of a settings file: a string, or [{"name": ..., "template": ...}, ...].
Sources sources_in(const fs::path& path) {
  const nlohmann::json json = loader::read_json_object(path);
  const auto found = json.find("chat_template");
  if (found == json.end() || found->is_null()) return {};
  const std::string origin = path.string();
  if (found->is_string()) return {{"default", {found->get<std::string>(), origin}}};
  if (!found->is_array()) invalid(origin + ": chat_template must be a string or a list of named templates");
  Sources sources;
  for (const auto& one : *found) {
    const bool usable = one.is_object() && one.contains("name") && one["name"].is_string() &&
                        one.contains("template") && one["template"].is_string();
    if (!usable) invalid(origin + ": chat_template lists something without the texts 'name' and 'template'");
    sources[one["name"].get<std::string>()] = {one["template"].get<std::string>(), origin};
  }
  return sources;
}

Sources jinja_files(const fs::path& dir) {
  Sources sources;
  std::error_code error;
  for (fs::directory_iterator at(dir / "additional_chat_templates", error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().extension() == ".jinja")
      sources[at->path().stem().string()] = {read_text(at->path()), at->path().string()};
  }
  const fs::path main_file = dir / "chat_template.jinja";
  if (fs::exists(main_file)) sources["default"] = {read_text(main_file), main_file.string()};
  return sources;
}

Sources find_sources(const fs::path& dir) {
  if (fs::exists(dir / "chat_template.json")) {
    Sources sources = sources_in(dir / "chat_template.json");
    if (!sources.empty()) return sources;
  }
  Sources sources = jinja_files(dir);
  if (sources.empty() && fs::exists(dir / "tokenizer_config.json"))
    return sources_in(dir / "tokenizer_config.json");
  return sources;
}

Json special_tokens(const fs::path& dir) {
  const tokenizer::TokenizerConfig config = tokenizer::read_tokenizer_config(dir);
  Json variables = Json::object();
  for (const auto& [role, token] : config.special) variables[role] = token.content;
  if (config.additional_special.empty()) return variables;
  Json& list = variables["additional_special_tokens"] = Json::array();
  for (const auto& token : config.additional_special) list.push_back(token.content);
  return variables;
}

ChatTemplate make(const Source& source, const fs::path& dir) {
  return ChatTemplate(source.text, source.origin, special_tokens(dir));
}

}  // namespace

struct ChatTemplate::Tree {
  Block block;
};

ChatTemplate::ChatTemplate(std::string_view source, std::string origin, Json variables)
    : origin_(std::move(origin)), variables_(std::move(variables)) {
  if (source.size() > kMaxSource) invalid(origin_ + ": the chat template is larger than 4 MiB");
  try {
    tree_ = std::make_unique<const Tree>(Tree{parse_template(source)});
  } catch (core::Error& error) {
    error.add_context(origin_);
    throw;
  }
}

ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

std::string ChatTemplate::render(const Json& messages, const RenderOptions& options) const {
  Json variables = variables_;
  variables.update(options.extra);
  variables["messages"] = messages;
  variables["tools"] = options.tools;
  variables["documents"] = options.documents;
  variables["add_generation_prompt"] = options.add_generation_prompt;
  Value values;
  try {
    values = from_json(variables);
  } catch (core::Error& error) {
    error.add_context(origin_ + ": the messages");
    throw;
  }
  Evaluator evaluator(values.dict()->items, options.now.value_or(local_time()));
  try {
    return evaluator.render(tree_->block);
  } catch (const core::Error& error) {
    std::string message = error.message();  // what a template raises may have several lines
    std::replace(message.begin(), message.end(), '\n', ' ');
    throw core::Error(error.code(),
                      origin_ + ": chat template line " + std::to_string(evaluator.line()) + ": " + message);
  }
}

std::map<std::string, ChatTemplate> load_chat_templates(const fs::path& dir) {
  std::map<std::string, ChatTemplate> templates;
  for (const auto& [name, source] : find_sources(dir)) templates.emplace(name, make(source, dir));
  return templates;
}

std::optional<ChatTemplate> load_chat_template(const fs::path& dir, const std::string& name,
                                               bool with_tools) {
  const Sources sources = find_sources(dir);
  if (sources.empty()) return std::nullopt;
  auto chosen = sources.find(!name.empty() ? name : with_tools ? "tool_use" : "default");
  if (chosen == sources.end() && name.empty()) chosen = sources.find("default");
  if (chosen != sources.end()) return make(chosen->second, dir);
  std::string names;
  for (const auto& source : sources) names += (names.empty() ? "" : ", ") + source.first;
  invalid(dir.string() + ": no chat template named '" + (name.empty() ? "default" : name) + "'; there are " +
          names);
}

}  // namespace vulcap::chat
