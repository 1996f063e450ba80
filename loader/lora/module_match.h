// Which module of a graph is the one that an adapter names.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vulcap::lora {

// Adapter module -> module of the graph; those that the graph lacks are left out. Names are compared from the
// end, part by part. In order of preference:
//   1. the same name
//   2. the graph's name is longer: the exporter wrapped the model ("language_model." + name)
//   3. the adapter's name is longer: the graph is one part of the model, or of that part one ("git.encoder").
//      All that the adapter has in it must then be in the graph; where two fit, `stem`, the file's name,
//      decides ("encoder_model"). A wrapper around the whole graph ("model.") may come off for this,
//      where layers with numbers fit
//   4. both begin with other wrappers ("model.language_model." against "language_model.model.")
// "attn" stands for "self_attn", as onnxruntime-genai's builder writes it.
// Throws core::Error(kInvalidModel) when a name fits several modules equally well.
std::map<std::string, std::string> match_modules(const std::set<std::string>& wanted,
                                                 const std::set<std::string>& present,
                                                 const std::string& stem);

}  // namespace vulcap::lora
