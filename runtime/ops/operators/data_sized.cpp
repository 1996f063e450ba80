// Operators whose output's size depends on data: their rules compute the whole result on the host.
// NonZero-13, Unique-11, NonMaxSuppression-11.
#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "runtime/ops/compose.h"

namespace vulcap::ops {
namespace {

using core::Shape;
using core::Tensor;

Tensor int64_tensor(Shape shape, const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>(DType::kI64, std::move(shape), values);
}

// ---- NonZero ----
void infer_non_zero(InferContext& c) {
  const Tensor x = c.need_tensor(0);
  const size_t rank = x.shape().size();
  std::vector<int64_t> places;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x.at_f64(i) != 0) places.push_back(int64_t(i));
  }
  const size_t count = places.size();
  std::vector<int64_t> result(rank * count);
  for (size_t i = 0; i < count; ++i) {
    int64_t rest = places[i];
    for (size_t axis = rank; axis-- > 0; rest /= x.shape()[axis])
      result[axis * count + i] = rest % x.shape()[axis];
  }
  c.set_constant(0, int64_tensor({int64_t(rank), int64_t(count)}, result));
}

// ---- Unique ----
// Slices of x along an axis, or its elements, as items that compare by value.
struct Items {
  Tensor x;
  AxisSplit split;
  bool flat = false;

  size_t element(size_t item, size_t i) const {
    const size_t outer = i / size_t(split.inner), inner = i % size_t(split.inner);
    return (outer * size_t(split.size) + item) * size_t(split.inner) + inner;
  }
  size_t length() const { return size_t(split.outer * split.inner); }
  int compare(size_t a, size_t b) const {
    const bool real = core::dtype_is_float(x.dtype());
    for (size_t i = 0; i < length(); ++i) {
      const size_t p = element(a, i), q = element(b, i);
      const bool less = real ? x.at_f64(p) < x.at_f64(q) : x.at_i64(p) < x.at_i64(q);
      const bool more = real ? x.at_f64(p) > x.at_f64(q) : x.at_i64(p) > x.at_i64(q);
      if (less || more) return less ? -1 : 1;
    }
    return 0;
  }
};

Items unique_items(InferContext& c) {
  Items items;
  items.x = c.need_tensor(0);
  items.flat = !c.attributes().has("axis");
  if (items.flat) {
    items.split.size = int64_t(items.x.size());
  } else {
    items.split =
        split_at_axis(items.x.shape(), c.axis(c.attributes().integer("axis", 0), items.x.shape().size()));
  }
  return items;
}

// Groups of equal items, each in order of place.
std::vector<std::vector<int64_t>> groups_of(const Items& items, bool sorted) {
  const auto before = [&](size_t a, size_t b) { return items.compare(a, b) < 0; };
  std::map<size_t, std::vector<int64_t>, decltype(before)> by_value(before);
  for (size_t i = 0; i < size_t(items.split.size); ++i) by_value[i].push_back(int64_t(i));
  std::vector<std::vector<int64_t>> groups;
  for (auto& [item, places] : by_value) groups.push_back(std::move(places));
  if (!sorted) {
    std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a[0] < b[0]; });
  }
  return groups;
}

Tensor picked(const Items& items, const std::vector<std::vector<int64_t>>& groups, size_t axis) {
  Shape shape = items.flat ? Shape{0} : items.x.shape();
  shape[axis] = int64_t(groups.size());
  Tensor result(items.x.dtype(), shape);
  const size_t bytes = core::dtype_bytes(items.x.dtype(), 1);
  Items to = items;
  to.split.size = int64_t(groups.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t i = 0; i < items.length(); ++i) {
      std::memcpy(result.mutable_bytes().data() + to.element(g, i) * bytes,
                  items.x.bytes().data() + items.element(size_t(groups[g][0]), i) * bytes, bytes);
    }
  }
  return result;
}

void infer_unique(InferContext& c) {
  const Items items = unique_items(c);
  const auto groups = groups_of(items, c.attributes().integer("sorted", 1) != 0);
  const size_t axis = items.flat ? 0 : c.axis(c.attributes().integer("axis", 0), items.x.shape().size());
  const int64_t count = int64_t(groups.size());
  std::vector<int64_t> first, counts, inverse(size_t(items.split.size));
  for (size_t g = 0; g < groups.size(); ++g) {
    first.push_back(groups[g][0]);
    counts.push_back(int64_t(groups[g].size()));
    for (const int64_t place : groups[g]) inverse[size_t(place)] = int64_t(g);
  }
  c.set_constant(0, picked(items, groups, axis));
  c.set_constant(1, int64_tensor({count}, first));
  c.set_constant(2, int64_tensor({items.split.size}, inverse));
  c.set_constant(3, int64_tensor({count}, counts));
}

// ---- NonMaxSuppression ----
struct Box {
  double y1, x1, y2, x2;
  double area() const { return (y2 - y1) * (x2 - x1); }
};

Box read_box(const Tensor& boxes, size_t at, bool centre) {
  const double a = boxes.at_f64(at), b = boxes.at_f64(at + 1), d = boxes.at_f64(at + 2),
               e = boxes.at_f64(at + 3);
  if (centre) return {b - e / 2, a - d / 2, b + e / 2, a + d / 2};
  return {std::min(a, d), std::min(b, e), std::max(a, d), std::max(b, e)};
}

double overlap(const Box& a, const Box& b) {
  const double height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (height <= 0 || width <= 0) return 0;
  const double both = height * width;
  return both / (a.area() + b.area() - both);
}

struct Suppression {
  Tensor boxes;   // [batch, boxes, 4]
  Tensor scores;  // [batch, classes, boxes]
  int64_t most = 0;
  double overlap = 0;
  double score = 0;
  bool scored = false;  // whether a least score is given
  bool centre = false;
};

std::vector<int64_t> suppress(const Suppression& s, size_t batch, size_t cls) {
  const auto count = size_t(s.boxes.shape()[1]), classes = size_t(s.scores.shape()[1]);
  const size_t scores = (batch * classes + cls) * count;
  std::vector<size_t> order;
  for (size_t i = 0; i < count; ++i) {
    if (!s.scored || s.scores.at_f64(scores + i) > s.score) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return s.scores.at_f64(scores + a) > s.scores.at_f64(scores + b);
  });
  std::vector<int64_t> kept;
  for (const size_t i : order) {
    if (int64_t(kept.size()) >= s.most) break;
    const Box box = read_box(s.boxes, (batch * count + i) * 4, s.centre);
    const bool free = std::none_of(kept.begin(), kept.end(), [&](int64_t k) {
      return overlap(box, read_box(s.boxes, (batch * count + size_t(k)) * 4, s.centre)) > s.overlap;
    });
    if (free) kept.push_back(int64_t(i));
  }
  return kept;
}

void infer_non_max_suppression(InferContext& c) {
  Suppression s;
  s.boxes = c.need_tensor(0);
  s.scores = c.need_tensor(1);
  if (s.boxes.shape().size() != 3 || s.scores.shape().size() != 3 || s.boxes.shape()[2] != 4)
    c.fail("boxes must be [batch, boxes, 4] and scores [batch, classes, boxes]");
  if (s.boxes.shape()[0] != s.scores.shape()[0] || s.boxes.shape()[1] != s.scores.shape()[2])
    c.fail("boxes and scores differ in their dims");
  if (c.has(2)) s.most = c.need_tensor(2).at_i64(0);
  if (c.has(3)) s.overlap = c.need_tensor(3).at_f64(0);
  s.scored = c.has(4);
  if (s.scored) s.score = c.need_tensor(4).at_f64(0);
  s.centre = c.attributes().integer("center_point_box", 0) != 0;
  std::vector<int64_t> result;
  for (int64_t batch = 0; batch < s.scores.shape()[0]; ++batch) {
    for (int64_t cls = 0; cls < s.scores.shape()[1]; ++cls) {
      for (const int64_t box : suppress(s, size_t(batch), size_t(cls)))
        result.insert(result.end(), {batch, cls, box});
    }
  }
  const auto count = int64_t(result.size() / 3);
  c.set_constant(0, int64_tensor({count, 3}, result));
}

}  // namespace

void register_data_sized(OpRegistry& registry) {
  registry.add({"NonZero", "", infer_non_zero, nullptr});
  registry.add({"Unique", "", infer_unique, nullptr});
  registry.add({"NonMaxSuppression", "", infer_non_max_suppression, nullptr});
}

}  // namespace vulcap::ops
