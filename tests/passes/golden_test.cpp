// Passes as texts: tests/golden/passes/<pass>/<case>.before.txt is read and specialised, the pass runs, and
// the graph must print as <case>.after.txt. A case named keep_... is one that the pass must leave alone.
// VULCAP_UPDATE_GOLDEN=1 writes the after texts anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "runtime/graph/text.h"
#include "runtime/passes/beam_rows.h"
#include "runtime/passes/hoist.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/specialise.h"

namespace vulcap::passes {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string pass;
  std::string name;
  bool kept() const { return name.starts_with("keep_"); }
  fs::path file(const std::string& kind) const {
    return fs::path(VULCAP_TEST_DATA) / "passes" / pass / (name + "." + kind + ".txt");
  }
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.pass << "/" << c.name; }
};

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<Case> cases() {
  std::vector<Case> found;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(VULCAP_TEST_DATA) / "passes")) {
    const std::string name = entry.path().filename().string();
    const size_t dot = name.find(".before.txt");
    if (dot != std::string::npos)
      found.push_back({entry.path().parent_path().filename().string(), name.substr(0, dot)});
  }
  std::sort(found.begin(), found.end(),
            [](const Case& a, const Case& b) { return std::tie(a.pass, a.name) < std::tie(b.pass, b.name); });
  return found;
}

graph::Graph specialised(const graph::Graph& graph) {
  const std::map<core::Symbol, int64_t> sizes = {{core::intern_symbol("batch"), 2},
                                                 {core::intern_symbol("length"), 5}};
  std::map<std::string, InputSpec> specs;
  for (graph::ValueId in : graph.inputs) {
    const graph::Value& value = graph.value(in);
    specs[value.name] = {bind_symbols(*value.shape, sizes), std::nullopt, value.capacity, {}};
  }
  return specialise(graph, specs);
}

struct Outcome {
  std::string text;
  int changes = 0;
};

Outcome run_pass(const std::string& name, graph::Graph graph) {
  if (name == "specialise") return {graph::to_text(graph), 1};
  if (name == "hoist") {
    const Hoisted parts = hoist(graph, {"states"});
    return {graph::to_text(parts.prelude) + graph::to_text(parts.rest), int(parts.shared.size())};
  }
  if (name == "add_beam_rows") {
    const int changes = add_beam_rows(graph, 3, 32, 3);
    return {graph::to_text(graph), changes};
  }
  if (name == "add_image_rows") {
    HeldValues four_images;
    for (const char* input : {"k", "v", "mask"}) {
      core::SymShape shape = *graph.value(graph.find_input(input)).shape;
      shape[0] = core::Dim(4);
      four_images[input] = shape;
    }
    add_image_rows(graph, 3, four_images);
    graph::check(graph);
    return {graph::to_text(graph), 1};
  }
  for (const Pass& pass : passes()) {
    if (pass.name != name) continue;
    const int changes = pass.run(graph);
    graph::check(graph);
    return {graph::to_text(graph), changes};
  }
  ADD_FAILURE() << "no pass " << name;
  return {};
}

class PassCase : public testing::TestWithParam<Case> {};

TEST_P(PassCase, GivesTheText) {
  const Case& c = GetParam();
  graph::Graph before = specialised(graph::parse_text(read_text(c.file("before"))));
  graph::sort_topologically(before);  // as passes leave their nodes
  const Outcome outcome = run_pass(c.pass, before);
  if (c.kept()) {
    EXPECT_EQ(outcome.changes, 0);
    if (c.pass == "hoist") return;
    EXPECT_EQ(outcome.text, graph::to_text(before));
    return;
  }
  EXPECT_GT(outcome.changes, 0);
  if (std::getenv("VULCAP_UPDATE_GOLDEN") != nullptr) std::ofstream(c.file("after")) << outcome.text;
  EXPECT_EQ(outcome.text, read_text(c.file("after")));
}

TEST_P(PassCase, ASecondRunChangesNothing) {
  const Case& c = GetParam();
  graph::Graph graph = specialised(graph::parse_text(read_text(c.file("before"))));
  for (const Pass& pass : passes()) {
    if (pass.name != c.pass) continue;
    pass.run(graph);
    EXPECT_EQ(pass.run(graph), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, PassCase, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.pass + "_" + test.param.name; });

TEST(PassCases, EveryPassFusesAndRefuses) {
  std::set<std::string> changed;
  std::set<std::string> kept;
  for (const Case& c : cases()) (c.kept() ? kept : changed).insert(c.pass);
  for (const Pass& pass : passes()) {
    EXPECT_TRUE(changed.count(std::string(pass.name))) << pass.name;
    EXPECT_TRUE(kept.count(std::string(pass.name))) << pass.name;
  }
  for (const char* name : {"specialise", "hoist", "add_beam_rows", "add_image_rows"})
    EXPECT_TRUE(changed.count(name)) << name;
}

TEST(PassList, CanBeSwitchedOffByName) {
  const std::string text = read_text(Case{"fuse_activation", "silu"}.file("before"));
  std::vector<std::string> seen;
  PassOptions options;
  options.disabled = {"fuse_activation"};
  options.observer = [&](std::string_view name, int, const graph::Graph&) { seen.emplace_back(name); };
  graph::Graph graph = specialised(graph::parse_text(text));
  run_passes(graph, options);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "fuse_activation"), 0);
  EXPECT_EQ(seen.size() + 1, passes().size());
  EXPECT_NE(graph::to_text(graph).find("Sigmoid"), std::string::npos);
  run_passes(graph);
  EXPECT_EQ(graph::to_text(graph).find("Sigmoid"), std::string::npos);
}

}  // namespace
}  // namespace vulcap::passes
