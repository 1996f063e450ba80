// What rendering one template may cost. Templates come with models from anywhere: none may hang or crash.
#pragma once

#include <cstdint>

namespace vulcap::chat {

class Budget {
 public:
  // Steps and bytes walked over. Throws core::Error(kInvalidModel) when all is spent, as do the others.
  void work(uint64_t amount) { spend(work_, amount, "takes too long"); }
  // Bytes of a value or text that is about to be made.
  void memory(uint64_t bytes) {
    spend(memory_, bytes, "makes too much text");
    work(bytes);
  }

  // One level of recursion while it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      budget_.work(32);
      if (++budget_.level_ > kMaxLevels) exceeded("calls itself too deeply");
    }
    ~Level() { --budget_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    static constexpr int kMaxLevels = 1000;
    Budget& budget_;
  };

 private:
  [[noreturn]] static void exceeded(const char* what);
  static void spend(uint64_t& left, uint64_t amount, const char* what) {
    if (amount > left) exceeded(what);
    left -= amount;
  }

  uint64_t work_ = 2'000'000'000;
  uint64_t memory_ = uint64_t(256) << 20;
  int level_ = 0;
};

}  // namespace vulcap::chat
