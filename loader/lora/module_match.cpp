#include "loader/lora/module_match.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "runtime/core/error.h"

namespace vulcap::lora {
namespace {

using Parts = std::vector<std::string>;
using Modules = std::vector<std::pair<std::string, Parts>>;  // name and its parts

Parts parts_of(const std::string& name) {
  Parts parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool same_part(const std::string& a, const std::string& b) {
  const auto plain = [](const std::string& part) {
    return part == "self_attn" ? std::string_view("attn") : std::string_view(part);
  };
  return plain(a) == plain(b);
}

bool is_number(const std::string& part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
}

// Parts that hold a model and say nothing of which one.
bool is_wrapper(const std::string& part) {
  constexpr std::string_view kWrappers[] = {"model", "language_model", "text_model", "transformer",
                                            "llm",   "module",         "inner"};
  return std::find(std::begin(kWrappers), std::end(kWrappers), part) != std::end(kWrappers);
}

struct Fit {
  int grade = 0;      // 1 to 4, see the header
  std::string inner;  // what the adapter's name has in front, in grade 3
  std::string group;  // the same with the next part, unless that is a number: "git.encoder."
};

std::optional<Fit> compare(const Parts& wanted, const Parts& present) {
  const auto [in_wanted, in_present] =
      std::mismatch(wanted.rbegin(), wanted.rend(), present.rbegin(), present.rend(), same_part);
  if (in_wanted == wanted.rbegin()) return std::nullopt;
  const Parts before(wanted.begin(), in_wanted.base());
  const Parts wrapper(present.begin(), in_present.base());
  // Behind a number stands a part of a layer, which another layer has too.
  if (std::any_of(before.begin(), before.end(), is_number)) return std::nullopt;
  if (std::any_of(wrapper.begin(), wrapper.end(), is_number)) return std::nullopt;
  if (before.empty()) return Fit{wrapper.empty() ? 1 : 2, "", ""};
  if (wrapper.empty()) {
    std::string inner;
    for (const std::string& part : before) inner += part + ".";
    const bool goes_on = before.size() + 1 < wanted.size() && !is_number(wanted[before.size()]);
    return Fit{3, inner, goes_on ? inner + wanted[before.size()] + "." : inner};
  }
  const bool generic = std::all_of(before.begin(), before.end(), is_wrapper) &&
                       std::all_of(wrapper.begin(), wrapper.end(), is_wrapper);
  return generic ? std::optional(Fit{4, "", ""}) : std::nullopt;
}

struct Candidates {
  int grade = 5;
  std::string inner, group;
  std::vector<std::string> names;
};

Candidates best_fits(const std::string& wanted, const Modules& present,
                     const std::set<std::string>& refused) {
  Candidates best;
  const Parts parts = parts_of(wanted);
  for (const auto& [name, name_parts] : present) {
    const auto fit = compare(parts, name_parts);
    if (!fit || fit->grade > best.grade || refused.count(fit->group)) continue;
    if (fit->grade < best.grade) best = {fit->grade, fit->inner, fit->group, {}};
    best.names.push_back(name);
  }
  return best;
}

// Groups of modules, in the sense of grade 3, of which the graph lacks some of the adapter's.
std::set<std::string> incomplete_parts(const std::set<std::string>& wanted,
                                       const std::set<std::string>& present, const Modules& split) {
  std::set<std::pair<std::string, std::string>> groups;  // with what stands in front of the model's part
  std::set<std::string> incomplete;
  for (const std::string& name : wanted) {
    const Candidates fits = best_fits(name, split, {});
    if (fits.grade == 3) groups.emplace(fits.group, fits.inner);
  }
  for (const auto& [group, inner] : groups) {
    for (const std::string& name : wanted)
      if (name.starts_with(group) && !present.count(name.substr(inner.size()))) incomplete.insert(group);
  }
  return incomplete;
}

// "model.encoder." -> "encoder"
std::string last_part(const std::string& inner) { return parts_of(inner.substr(0, inner.size() - 1)).back(); }

[[noreturn]] void fail_ambiguous(const std::string& a, const std::string& b, const std::string& to) {
  throw core::Error(core::ErrorCode::kInvalidModel,
                    "'" + a + "' and '" + b + "' fit '" + to + "' equally well, so nothing is merged");
}

// "model." where every module begins with that wrapper, else "".
std::string common_wrapper(const std::set<std::string>& modules) {
  if (modules.empty()) return "";
  const std::string first = parts_of(*modules.begin()).front();
  const bool common = is_wrapper(first) && std::all_of(modules.begin(), modules.end(), [&](const auto& name) {
                        return name.starts_with(first + ".");
                      });
  return common ? first + "." : "";
}

std::map<std::string, std::string> match(const std::set<std::string>& wanted,
                                         const std::set<std::string>& present, const std::string& stem) {
  Modules split;
  for (const std::string& name : present) split.emplace_back(name, parts_of(name));
  const std::set<std::string> refused = incomplete_parts(wanted, present, split);
  std::map<std::string, std::string> matched;
  std::map<std::string, std::pair<std::string, std::string>> taken;  // graph module -> adapter module, inner
  for (const std::string& name : wanted) {
    const Candidates fits = best_fits(name, split, refused);
    if (fits.names.empty()) continue;
    if (fits.names.size() > 1) fail_ambiguous(fits.names[0], fits.names[1], name);
    const std::string& target = fits.names[0];
    if (const auto other = taken.find(target); other != taken.end()) {
      const auto& [other_name, other_inner] = other->second;
      const bool mine = !fits.inner.empty() && stem.find(last_part(fits.inner)) != std::string::npos;
      const bool theirs = !other_inner.empty() && stem.find(last_part(other_inner)) != std::string::npos;
      if (mine == theirs) fail_ambiguous(other_name, name, target);
      if (theirs) continue;
      matched.erase(other_name);
    }
    matched[name] = target;
    taken[target] = {name, fits.inner};
  }
  return matched;
}

}  // namespace

std::map<std::string, std::string> match_modules(const std::set<std::string>& wanted,
                                                 const std::set<std::string>& present,
                                                 const std::string& stem) {
  std::map<std::string, std::string> matched = match(wanted, present, stem);
  const std::string wrapper = common_wrapper(present);
  if (!matched.empty() || wrapper.empty()) return matched;
  std::set<std::string> inside;
  for (const std::string& name : present) inside.insert(name.substr(wrapper.size()));
  matched = match(wanted, inside, stem);
  // Names like "fc" alone, without a layer's number among them, say too little.
  const bool numbered = std::any_of(matched.begin(), matched.end(), [](const auto& item) {
    const Parts parts = parts_of(item.second);
    return std::any_of(parts.begin(), parts.end(), is_number);
  });
  if (!numbered) return {};
  for (auto& [name, target] : matched) target = wrapper + target;
  return matched;
}

}  // namespace vulcap::lora
