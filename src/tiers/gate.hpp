// SPDX-License-Identifier: MIT
/// Invalidations and the writes of this process, so that none of the writes survives them.
///
/// A writer enters the gate, then looks whether it was detached; who invalidates has detached it
/// before he looks whether somebody is inside. Both looks are read-modify-writes of one word, so
/// one of the two sees the other. Keys share 1024 words: at worst one waits for another's store.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "dcache/engine/fork.hpp"
#include "dcache/engine/lock.hpp"
#include "dcache/engine/tiers.hpp"

namespace dcache::engine {

class Chain::Gate {
  struct Word {
    std::atomic<std::uint32_t> writers{0};
    std::atomic<std::uint32_t> erasures{0};
    std::atomic<std::uint32_t> erasers{0};
  };

 public:
  /// While it lives a write is under way.
  class Inside {
   public:
    Inside(Gate& gate, std::uint64_t hash) noexcept : writers_(gate.word(hash).writers) {
      writers_.fetch_add(1, std::memory_order_acq_rel);
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() { writers_.fetch_sub(1, std::memory_order_acq_rel); }

   private:
    std::atomic<std::uint32_t>& writers_;
  };

  bool busy(std::uint64_t hash) noexcept {
    return word(hash).writers.fetch_add(0, std::memory_order_acq_rel) != 0;
  }
  /// While it lives an invalidation is under way: writes that were begun before it ended and end
  /// later are to be erased again.
  class Erasing {
   public:
    Erasing(Gate& gate, std::uint64_t hash) noexcept : word_(gate.word(hash)) {
      word_.erasers.fetch_add(1, std::memory_order_acq_rel);
      word_.erasures.fetch_add(1, std::memory_order_acq_rel);
    }
    Erasing(const Erasing&) = delete;
    Erasing& operator=(const Erasing&) = delete;
    ~Erasing() {
      word_.erasures.fetch_add(1, std::memory_order_acq_rel);
      word_.erasers.fetch_sub(1, std::memory_order_acq_rel);
    }

   private:
    Word& word_;
  };
  std::uint32_t erasures(std::uint64_t hash) noexcept {
    return word(hash).erasures.load(std::memory_order_acquire);
  }
  /// Whether something was, or is being, invalidated since `erasures` was asked.
  bool erased_since(std::uint64_t hash, std::uint32_t erasures) noexcept {
    Word& word = this->word(hash);
    return word.erasers.load(std::memory_order_acquire) != 0 ||
           word.erasures.load(std::memory_order_acquire) != erasures;
  }

 private:
  Word& word(std::uint64_t hash) noexcept {
    if (generation_.load(std::memory_order_acquire) != fork_generation()) [[unlikely]]
      start_afresh();
    return words_[hash % words_.size()];
  }
  // Nobody of the parent's leaves in the child. The generation is told last: whoever sees it counts
  // in words that nobody clears any more.
  void start_afresh() noexcept {
    const std::scoped_lock held(lock_);
    if (generation_.load(std::memory_order_relaxed) == fork_generation()) return;
    for (Word& each : words_) {
      each.writers.store(0, std::memory_order_relaxed);
      each.erasers.store(0, std::memory_order_relaxed);
    }
    generation_.store(fork_generation(), std::memory_order_release);
  }

  std::atomic<std::uint32_t> generation_{fork_generation()};
  Lock lock_;  // Of `start_afresh`.
  std::array<Word, 1024> words_;
};

}  // namespace dcache::engine
