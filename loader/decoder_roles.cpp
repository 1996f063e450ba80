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

bool of_encoder(const std::string& name) { return name.find(".encoder.") != std::string::npos; }

using Presents = std::map<std::string, std::string>;  // cache_key -> output

Presents presents_of(const graph::Graph& graph) {
  Presents presents;
  for (graph::ValueId id : graph.outputs) {
    const std::string& name = graph.value(id).name;
    if (name.starts_with("present")) presents[cache_key(name)] = name;
  }
  return presents;
}

void add_past(const std::string& name, const Presents& presents, const Presents& first,
              session::DecoderRoles& roles) {
  const Presents& source = of_encoder(name) && !first.empty() ? first : presents;
  const auto present = source.find(cache_key(name));
  if (present == source.end()) invalid("the decoder's input '" + name + "' has no matching present output");
  (of_encoder(name) ? roles.encoder_cache : roles.cache).emplace_back(name, present->second);
}

// Presents that no past continues: a cache that cannot be kept.
void check_presents(const Presents& presents, const session::DecoderRoles& roles) {
  if (roles.cache.empty()) return;
  for (const auto& [key, present] : presents) {
    const auto continues = [&](const auto& pair) { return pair.second == present; };
    if (of_encoder(present) || std::any_of(roles.cache.begin(), roles.cache.end(), continues)) continue;
    invalid("the decoder lacks the input past_key_values." + key + " that its output '" + present +
            "' continues");
  }
}

// Of position_ids [planes, rows, length].
int64_t planes_of(const graph::Value& positions) {
  const core::Dim& planes = positions.shape->front();
  if (planes.is_constant() && planes.value() > 0) return planes.value();
  invalid("the decoder's input '" + positions.name + "' of rank 3 must begin with a constant dimension");
}

// The member that a plain input fills, or null.
std::string* plain_role(session::DecoderRoles& roles, const std::string& name) {
  if (name == "input_ids") return &roles.ids;
  if (name == "inputs_embeds") return &roles.embeds;
  if (name == "encoder_hidden_states") return &roles.states;
  // A graph that holds the image encoder too reads the pixels as it would the encoder's output.
  if (name == "pixel_values") return &roles.states;
  if (name == "use_cache_branch") return &roles.use_cache;
  if (name == "attention_mask") return &roles.mask;
  if (name == "encoder_attention_mask") return &roles.states_mask;
  if (name == "position_ids") return &roles.positions;
  if (name == "cache_position") return &roles.cache_position;
  if (name == "num_logits_to_keep" || name == "logits_to_keep") return &roles.logits_kept;
  return nullptr;
}

}  // namespace

session::DecoderRoles find_decoder_roles(const graph::Graph& graph, const graph::Graph* first) {
  session::DecoderRoles roles;
  const Presents presents = presents_of(graph);
  const Presents of_first = first != nullptr ? presents_of(*first) : Presents{};
  for (graph::ValueId id : graph.outputs) {
    if (graph.value(id).name == "logits") roles.logits = "logits";
  }
  for (graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    if (std::string* role = plain_role(roles, value.name)) {
      *role = value.name;
    } else if (value.name.starts_with("past")) {
      add_past(value.name, presents, of_first, roles);
    } else {
      invalid("the decoder's input '" + value.name + "' has no known role");
    }
    if (value.name == roles.positions && value.shape && value.shape->size() == 3)
      roles.position_planes = planes_of(value);
    if (value.name == "input_ids" && value.dtype != core::DType::kI64)
      invalid("the decoder's input_ids must be int64");
  }
  check_presents(presents, roles);
  if (roles.ids.empty() == roles.embeds.empty())
    invalid("the decoder must take either input_ids or inputs_embeds");
  if (roles.logits.empty()) invalid("the decoder lacks the output logits");
  return roles;
}

}  // namespace vulcap::loader
