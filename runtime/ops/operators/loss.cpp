// NegativeLogLikelihoodLoss-22 and SoftmaxCrossEntropyLoss-13.
#include <algorithm>

#include "runtime/ops/compose.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// Scores are [batch, classes, places...], the classes that are right [batch, places...].
void infer_loss(InferContext& c) {
  const SymShape& scores = c.shape(0);
  if (scores.size() < 2) c.fail("scores must be [batch, classes, ...]");
  if (c.dtype(1) != DType::kI64 && c.dtype(1) != DType::kI32) c.fail("target must be int32 or int64");
  SymShape places = scores;
  places.erase(places.begin() + 1);
  if (places != c.shape(1)) c.fail("target must have shape " + core::shape_text(places));
  if (c.has(2) && (c.rank(2) != 1 || !(c.shape(2)[0] == scores[1])))
    c.fail("weight must have one entry a class");
  const std::string reduction = c.attributes().text("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean")
    c.fail("reduction '" + reduction + "' is not known");
  c.set(0, c.dtype(0), reduction == "none" ? places : SymShape{});
  c.set(1, c.dtype(0), scores);
}

struct Loss {
  ValueId each;     // [places], 0 where the target is ignored
  ValueId weights;  // of each place
};

// scores [batch, classes, inner], log-likelihoods; target [batch, inner].
Loss emit_loss(LowerContext& c, ValueId scores, ValueId target) {
  Compose make(c);
  const core::Shape shape = make.shape(scores);
  const DType dtype = make.dtype(scores);
  const core::Shape places{shape[0] * shape[2]};
  ValueId ignored = graph::kNoValue;
  if (c.attributes().has("ignore_index")) {
    const ValueId index =
        make.fill(make.dtype(target), {1}, double(c.attributes().integer("ignore_index", 0)));
    ignored = make.compare("Equal", target, index);
    target = make.where(ignored, make.fill(make.dtype(target), {1}, 0), target);
  }
  abi::GatherNdParams p{};
  std::fill_n(p.shape, 6, 1u);
  const uint32_t sizes[] = {narrow(shape[0]), narrow(shape[2])};
  for (size_t i = 0; i < 2; ++i) p.shape[4 + i] = sizes[i];
  p.x_stride[4] = narrow(shape[1] * shape[2]);
  p.x_stride[5] = 1;
  p.i_stride[4] = sizes[1];
  p.i_stride[5] = 1;
  p.depth = 1;
  p.size[0] = narrow(shape[1]);
  p.stride[0] = sizes[1];
  const ValueId picked = c.temp(dtype, places);
  c.emit("gather_nd", {dtype, make.dtype(target)}, p, {c.read(scores), c.read(target), c.write(picked)},
         {sizes[0] * sizes[1], 1, 1});
  target = make.view(target, places);
  const ValueId zero = make.fill(dtype, {1}, 0);
  ValueId weights = c.has(2) ? make.gather(c.in(2), target, 0) : make.fill(dtype, places, 1);
  ValueId each = make.binary("Mul", make.unary("Neg", picked), weights);
  if (ignored != graph::kNoValue) {
    ignored = make.view(ignored, places);
    weights = make.where(ignored, zero, weights);
    each = make.where(ignored, zero, each);
  }
  return {each, weights};
}

void finish_loss(LowerContext& c, const Loss& loss) {
  Compose make(c);
  const std::string reduction = c.attributes().text("reduction", "mean");
  if (reduction == "none") return c.alias(c.out(0), loss.each);
  if (reduction == "sum") {
    make.reduce(abi::kReduceSum, loss.each, 0, 1, c.out(0));
  } else {
    make.binary("Div", make.reduce(abi::kReduceSum, loss.each, 0, 1),
                make.reduce(abi::kReduceSum, loss.weights, 0, 1), c.out(0));
  }
}

core::Shape three_axes(const core::Shape& scores) {
  const auto [batch, classes, inner] = split_at_axis(scores, 1);
  return {batch, classes, inner};
}

void lower_likelihood(LowerContext& c) {
  Compose make(c);
  const core::Shape shape = three_axes(c.shape(0));
  finish_loss(c, emit_loss(c, make.view(c.in(0), shape), make.view(c.in(1), {shape[0], shape[2]})));
}

// The likelihoods are a log-softmax over the classes.
void lower_cross_entropy(LowerContext& c) {
  Compose make(c);
  const core::Shape shape = three_axes(c.shape(0));
  const ValueId last = make.permute(make.view(c.in(0), shape), {0, 2, 1});
  const ValueId logs = c.temp(c.dtype(0), make.shape(last));
  const abi::SoftmaxParams p{narrow(shape[0] * shape[2]), narrow(shape[1]), 1};
  c.emit("softmax", {c.dtype(0), {}}, p, {c.read(last), c.write(logs)}, {p.rows, 1, 1});
  const ValueId scores = make.permute(logs, {0, 2, 1});
  if (c.out(1) != graph::kNoValue) c.alias(c.out(1), scores);
  finish_loss(c, emit_loss(c, scores, make.view(c.in(1), {shape[0], shape[2]})));
}

}  // namespace

void register_loss(OpRegistry& registry) {
  registry.add({"NegativeLogLikelihoodLoss", "", infer_loss, lower_likelihood});
  registry.add({"SoftmaxCrossEntropyLoss", "", infer_loss, lower_cross_entropy});
}

}  // namespace vulcap::ops
