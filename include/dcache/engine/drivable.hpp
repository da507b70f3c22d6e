// SPDX-License-Identifier: MIT
/// A connection that an event loop may drive in place of an I/O thread. A loop that is the only one
/// who asks is a lone caller: what an I/O thread would do for it costs two hand-overs between
/// threads for each batch, as much as all the rest.
///
/// The loop sends what it has submitted once for many requests, and then watches a descriptor. As
/// soon as others need the connection it is told that it does not drive any more.
///
/// Threads: every method is called on the loop's thread. None blocks. `loop` tells one loop from
/// another, and is never looked at.
#pragma once

#include "dcache/engine/ref.hpp"

namespace dcache::engine {

class Drivable {
 public:
  struct Watch {
    bool watches = false;  ///< The loop drives: `loop_turns` whenever there is something to read.
    int descriptor = -1;   ///< From now on, and the loop's to close; -1: the one it has.
  };
  /// Sends what `loop` has submitted.
  virtual Watch loop_sends(const void* loop) noexcept = 0;
  /// Reads what has come, and completes it. False: that descriptor is not to be watched any more;
  /// somebody else drives, or there is another one.
  virtual bool loop_turns(const void* loop, int descriptor) noexcept = 0;
  /// The loop does not watch what it was given to watch: somebody else drives.
  virtual void loop_leaves(const void* loop) noexcept = 0;
  /// As long as this lives it does, too.
  virtual Ref<Counted> alive() noexcept = 0;

 protected:
  Drivable() = default;
  Drivable(const Drivable&) = default;
  Drivable& operator=(const Drivable&) = default;
  ~Drivable() = default;
};

}  // namespace dcache::engine
