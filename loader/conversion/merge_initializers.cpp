#include "loader/conversion/merge_initializers.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace vulcap::conversion {
namespace {

namespace proto = ::onnx;
using Names = std::map<std::string, std::string>;

template <typename Visit>
void for_each_subgraph(proto::GraphProto& graph, const Visit& visit) {
  for (proto::NodeProto& node : *graph.mutable_node()) {
    for (proto::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) visit(*attribute.mutable_g());
      for (proto::GraphProto& inner : *attribute.mutable_graphs()) visit(inner);
    }
  }
}

// Type, dims, and where the content lies once equal contents share their place.
using Key = std::tuple<int32_t, std::vector<int64_t>, const std::byte*>;

class Merger {
 public:
  explicit Merger(onnx::EditableModel& model) : model_(model) {}

  MergedInitializers run() {
    model_.share_equal();
    proto::GraphProto& outermost = *model_.proto().mutable_graph();
    collect(outermost);
    choose(outermost);
    replace(outermost);
    for (const proto::TensorProto& moved : moved_) *outermost.add_initializer() = moved;
    return merged_;
  }

 private:
  struct Place {
    proto::GraphProto* graph;
    const proto::TensorProto* tensor;
  };

  void define(const std::string& name) { ++definitions_[name]; }

  // The initialisers that may be merged, by content, and how often each name is defined.
  void collect(proto::GraphProto& graph) {
    std::set<std::string> interface;
    for (const proto::ValueInfoProto& input : graph.input()) interface.insert(input.name());
    for (const std::string& name : interface) define(name);
    for (const proto::ValueInfoProto& output : graph.output()) interface.insert(output.name());
    for (const proto::NodeProto& node : graph.node())
      for (const std::string& name : node.output()) define(name);
    for (const proto::TensorProto& tensor : graph.initializer()) {
      define(tensor.name());
      if (tensor.data_type() == proto::TensorProto::STRING || interface.count(tensor.name())) continue;
      const core::Tensor& stored = model_.stored(tensor);
      if (stored.bytes().empty()) continue;
      const Key key{tensor.data_type(), stored.shape(), stored.bytes().data()};
      places_[key].push_back({&graph, &tensor});
    }
    for_each_subgraph(graph, [&](proto::GraphProto& inner) { collect(inner); });
  }

  // Outer graphs were collected before inner ones, so the first place is the outermost.
  void choose(proto::GraphProto& outermost) {
    for (auto& [key, places] : places_) {
      std::erase_if(places, [&](const Place& place) { return definitions_[place.tensor->name()] > 1; });
      if (places.size() < 2) continue;
      const proto::TensorProto& first = *places.front().tensor;
      if (places.front().graph != &outermost) {
        moved_.push_back(first);
        gone_.insert(first.name());
      }
      for (size_t i = 1; i < places.size(); ++i) {
        const std::string& name = places[i].tensor->name();
        gone_.insert(name);
        successors_[name] = first.name();
        ++merged_.count;
        merged_.bytes += model_.stored(*places[i].tensor).bytes().size();
      }
    }
  }

  void rename(std::string& name) const {
    const auto successor = successors_.find(name);
    if (successor != successors_.end()) name = successor->second;
  }

  void replace(proto::GraphProto& graph) {
    const auto is_gone = [&](const auto& item) { return gone_.count(item.name()) > 0; };
    auto& initializers = *graph.mutable_initializer();
    initializers.erase(std::remove_if(initializers.begin(), initializers.end(), is_gone), initializers.end());
    auto& infos = *graph.mutable_value_info();
    infos.erase(std::remove_if(infos.begin(), infos.end(), is_gone), infos.end());
    for (proto::NodeProto& node : *graph.mutable_node())
      for (std::string& name : *node.mutable_input()) rename(name);
    for_each_subgraph(graph, [&](proto::GraphProto& inner) { replace(inner); });
  }

  onnx::EditableModel& model_;
  std::map<std::string, int> definitions_;
  std::map<Key, std::vector<Place>> places_;
  Names successors_;            // a name that goes -> the one that stays
  std::set<std::string> gone_;  // from the graph that holds them
  std::vector<proto::TensorProto> moved_;
  MergedInitializers merged_;
};

}  // namespace

MergedInitializers merge_equal_initializers(onnx::EditableModel& model) { return Merger(model).run(); }

}  // namespace vulcap::conversion
