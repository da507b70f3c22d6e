// SPDX-License-Identifier: MIT
/// An operation on its way to S3: a request for each item, or for many keys to erase at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dcache/engine/lock.hpp"
#include "dcache/engine/operation.hpp"

#include "backends/s3/http.hpp"
#include "backends/s3/store.hpp"
#include "backends/s3/verdict.hpp"

namespace dcache::s3 {

class Part;

/// The operation, until all of its parts have ended.
class Journey final : public engine::Counted, public engine::Carrier {
 public:
  /// `strict`: what the store refuses is a mistake of who set it up (`check`).
  Journey(std::shared_ptr<Store> store, const engine::Ref<engine::Op>& op, bool strict)
      : store_(std::move(store)), op_(op), verb_(op->verb()), strict_(strict) {}

  Store& store() const noexcept { return *store_; }
  /// REQUIRES, as `begin`: a part has not ended.
  engine::Op& op() const noexcept { return *op_; }
  void begin();

  void part_ended() noexcept;
  /// `never`: nor will it be, as things are set up.
  void part_failed(const Verdict& why, bool never) noexcept;

  // Nothing to help with: the client has a thread of its own.
  void carry(engine::SteadyMoment) noexcept override {}
  void left_alone() noexcept override {}
  /// A look-up ends. A write goes on: what became of it has to be known.
  void given_up() noexcept override;

 private:
  void finish() noexcept;

  const std::shared_ptr<Store> store_;
  engine::Ref<engine::Op> op_;
  const engine::Verb verb_;
  const bool strict_;
  std::atomic<std::size_t> left_{0};
  engine::Lock lock_;
  std::vector<engine::Ref<Part>> parts_;  // Guarded by lock_, as all below.
  Verdict first_failure_;
  std::size_t failures_ = 0;
  bool never_ = false;
};

class Part final : public http::Exchange {
 public:
  /// Of `count` items; more than one to erase only.
  Part(engine::Ref<Journey> journey, std::size_t first, std::size_t count)
      : journey_(std::move(journey)), first_(first), count_(count) {}

  void begin() noexcept;
  void ended() noexcept override;

 private:
  // `add` where the server has no conditional writes: look, write, and look what has come of it.
  enum class Step : std::uint8_t { main, read_back, look, write };

  engine::Item& item() const noexcept { return journey_->op().items[first_]; }
  Store& store() const noexcept { return journey_->store(); }
  bool reads() const noexcept;

  void send() noexcept;
  void compose(const Settings& settings);
  void sign(const Settings& settings, const std::string& region);
  void write_one(bool if_absent);
  void write_batch(const Settings& settings);

  void act(Verdict verdict);
  void take();
  void take_batch();
  void not_there();
  void go_on(Step step);
  void again(const Verdict& verdict);
  void once_more(bool& done, const Verdict& verdict);
  void not_known(const Verdict& verdict);
  void answered(engine::Reply reply);
  void failed(const Verdict& verdict, bool never = false);

  const engine::Ref<Journey> journey_;
  const std::size_t first_;
  const std::size_t count_;
  Step step_ = Step::main;
  std::shared_ptr<const Credentials> credentials_;
  std::string batch_;
  int attempts_ = 0;
  int moves_ = 0;
  bool conditional_ = false;  // Of the request at hand, as the next.
  bool tagged_ = false;
  bool without_tags_ = false;
  bool set_right_ = false;  // Our clock.
  bool renewed_ = false;    // The credentials.
};

}  // namespace dcache::s3
