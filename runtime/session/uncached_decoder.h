// A decoder without a usable cache: every step scores the whole sequence again, but for what follows from the
// encoder's output alone, which is computed once an image. Right for every graph whose inputs have roles.
#pragma once

#include "runtime/session/decoder.h"

namespace vulcap::session {

class UncachedDecoder : public Decoder {
 public:
  // A merged decoder runs its branch without cache; past inputs are fed with length 0.
  UncachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles, passes::PassOptions options = {});

  void reserve(int64_t positions) override;
  void prepare(const EncoderOutput& states, int rows) override;
  void start(const EncoderOutput& states) override;
  std::span<const float> step(const Tokens& tokens, int rows, int length,
                              std::span<const int32_t> reorder) override;
  int64_t vocab() const override { return graph_.vocab(); }
  std::vector<const plan::Plan*> plans() const override;

 private:
  // What depends on the encoder's output alone.
  struct Prelude {
    std::unique_ptr<Program> program;
    bool done = false;  // for the images of the last start
  };

  // What programs of one length read of the preludes.
  struct Length {
    std::optional<passes::HeldValues> held;
    std::optional<passes::HeldValues> by_image;  // where rows find it by tables
  };

  void forget_programs();
  passes::Hoisted hoisted(int rows, int length) const;
  passes::HeldValues add_prelude(const passes::Hoisted& parts);
  graph::Graph graph_for(int rows, int length);
  void run_preludes();
  void continue_sequences(const Tokens& tokens, int rows, std::span<const int32_t> reorder);
  void continue_positions(std::span<const int64_t> positions, size_t planes);
  Program& program_for(int rows, int length);

  Device& device_;
  DecoderGraph graph_;
  EncoderOutput states_;
  RowImages images_of_rows_;
  bool splits_prefix_ = true;  // false where that comes out otherwise for some numbers of rows
  std::map<std::string, std::shared_ptr<plan::Buffer>> bound_;  // states and shared values by name
  passes::HeldValues shared_;                                   // shapes of the shared values
  std::vector<Prelude> preludes_;
  std::map<int, Length> lengths_;
  std::map<std::pair<int, int>, std::unique_ptr<Program>> programs_;  // by rows and length
  std::vector<std::vector<std::byte>> sequences_;                     // ids or embeddings, one a row
  int length_ = 0;                                                    // of each sequence
  std::vector<int64_t> positions_;  // [planes, length_], where they come with the tokens
  std::vector<float> logits_;
  const plan::Plan* last_plan_ = nullptr;
};

}  // namespace vulcap::session
