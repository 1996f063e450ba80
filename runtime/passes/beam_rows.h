// Lets rows find what they read by tables, so that a reorder, or rows that leave, moves no keys or values:
// cached positions in the rows of a shared cache, and what was computed once an image by the row's image.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/graph/graph.h"

namespace vulcap::passes {

inline constexpr std::string_view kBeamRows = "$rows";     // graph input i32[rows, capacity]
inline constexpr std::string_view kImageRows = "$images";  // graph input i32[rows, positions]
inline constexpr std::string_view kImageOfRow = "$image";  // graph input i32[rows]

// Adds the table to every attention node over cached keys, of which `cache_rows` >= rows are kept. Returns
// how many nodes there are.
int add_beam_rows(graph::Graph& graph, int64_t rows, int64_t capacity, int64_t cache_rows);

// Shapes by name.
using HeldValues = std::map<std::string, core::SymShape>;

// Those of `held`, values computed for `images` images, that hold an image along each entry of their first
// axis; the others are the same for every image. `step` takes them as inputs and was made for `others` !=
// images rows with an image each. Throws core::Error(kInvalidModel) where images are told apart by anything
// else.
HeldValues values_by_image(const graph::Graph& step, int64_t others, const HeldValues& held, int64_t images);

// `graph` was made for `rows` rows with an image each. Its inputs that `by_image` names get the shapes there:
// attention then reads keys and values by a table, other nodes the rows gathered.
void add_image_rows(graph::Graph& graph, int64_t rows, const HeldValues& by_image);

}  // namespace vulcap::passes
