#include "loader/decoder_roles.h"

#include <algorithm>
#include <map>

#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

[[noreturn]] void invalid(const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel, message);
}

// "past_key_values.3.key" and "present.3.key" -> "3.key"
std::string cache_key(const std::string& name) {
  const size_t digit = name.find_first_of("0123456789");
  return digit == std::string::npos ? name : name.substr(digit);
}

}  // namespace

session::DecoderRoles find_decoder_roles(const graph::Graph& graph) {
  session::DecoderRoles roles;
  std::map<std::string, std::string> presents;
  for (graph::ValueId id : graph.outputs) {
    const std::string& name = graph.value(id).name;
    if (name == "logits") roles.logits = name;
    if (name.starts_with("present")) presents[cache_key(name)] = name;
  }
  for (graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    if (value.name == "input_ids") {
      if (value.dtype != core::DType::kI64) invalid("the decoder's input_ids must be int64");
      roles.ids = value.name;
    } else if (value.name == "encoder_hidden_states") {
      roles.states = value.name;
    } else if (value.name == "use_cache_branch") {
      roles.use_cache = value.name;
    } else if (value.name.starts_with("past")) {
      const auto present = presents.find(cache_key(value.name));
      if (present == presents.end())
        invalid("the decoder's input '" + value.name + "' has no matching present output");
      roles.cache.emplace_back(value.name, present->second);
    } else {
      invalid("the decoder's input '" + value.name + "' has no known role");
    }
  }
  for (const auto& [key, present] : presents) {
    const bool has_past = std::any_of(roles.cache.begin(), roles.cache.end(),
                                      [&](const auto& pair) { return pair.second == present; });
    if (!roles.cache.empty() && !has_past) {
      invalid("the decoder lacks the input past_key_values." + key + " that its output '" + present +
              "' continues");
    }
  }
  if (roles.ids.empty()) invalid("the decoder lacks the input input_ids");
  if (roles.states.empty()) invalid("the decoder lacks the input encoder_hidden_states");
  if (roles.logits.empty()) invalid("the decoder lacks the output logits");
  return roles;
}

}  // namespace vulcap::loader
